//! `listxattrat`, for which no library has a function yet. The way around it through `/proc` takes three times as long,
//! and there is one call for every file that did not change.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};

/// The number of the call on all machines that this program runs on, since Linux 6.13.
const LISTXATTRAT: libc::c_long = 465;

/// Whether the system has, or allows, no such call.
static MISSING: AtomicBool = AtomicBool::new(false);

/// Whether a file in an open directory has no attributes; a link is not followed. `None` where this way does not tell.
pub(super) fn has_none(directory: BorrowedFd<'_>, name: &OsStr) -> Option<bool> {
    if MISSING.load(Ordering::Relaxed) {
        return None;
    }
    let name = CString::new(name.as_bytes()).ok()?;
    // SAFETY: the name ends with a zero byte and outlives the call; the list of size 0 is never written to.
    #[expect(unsafe_code, reason = "a system call that no library wraps")]
    let size = unsafe {
        libc::syscall(
            LISTXATTRAT,
            directory.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            std::ptr::null_mut::<libc::c_char>(),
            0_usize,
        )
    };
    if size < 0 {
        let error = std::io::Error::last_os_error().raw_os_error();
        if matches!(error, Some(libc::ENOSYS | libc::EPERM)) {
            MISSING.store(true, Ordering::Relaxed);
        }
        return None;
    }
    Some(size == 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn files_with_and_without_attributes_are_told_apart_where_the_system_can() {
        let folder = tempfile::tempdir().unwrap();
        let file = fs_err::File::create(folder.path().join("with")).unwrap();
        fs_err::write(folder.path().join("without"), "").unwrap();
        std::os::unix::fs::symlink("with", folder.path().join("link")).unwrap();
        let can_set = xattr::set(file.path(), "user.kind", b"x").is_ok();
        let open = fs_err::File::open(folder.path()).unwrap();
        let ask = |name: &str| has_none(open.file().as_fd(), name.as_ref());
        if ask("without").is_none() {
            eprintln!("left out: this system has no listxattrat");
            return;
        }
        assert_eq!(ask("without"), Some(true));
        assert_eq!(ask("with"), Some(!can_set));
        assert_eq!(ask("link"), Some(true));
        assert_eq!(ask("missing"), None);
    }
}
