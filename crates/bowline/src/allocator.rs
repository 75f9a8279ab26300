//! The allocator of the program, and the one setting of it that is ours.

use libmimalloc_sys::{_mi_option_last, mi_option_set_default, mi_option_t};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_arena_max_object_size`, which the bindings do not name. It is the last but one of the options of mimalloc 3.
const ARENA_MAX_OBJECT_SIZE: mi_option_t = 45;
/// KiB of an allocation that goes back to the system as soon as it is freed. The derivation of a repository's key takes
/// 64 MiB, once; the allocator would keep it for about a second, and for what comes next, and the process would be as large.
const LARGE_KIB: std::ffi::c_long = 32 << 10;

/// Makes large allocations leave when they are freed, unless `MIMALLOC_ARENA_MAX_OBJECT_SIZE` is in the environment. Must be
/// called before there are other threads.
///
/// There are two other ways, and both are worse: that variable is read before `main`, so a program cannot set it for itself, and
/// a compiler flag for mimalloc would be lost by whoever builds with flags of their own.
#[expect(unsafe_code, reason = "the options of the allocator have no safe interface")]
pub(crate) fn give_back_large_pieces() {
    const {
        assert!(
            _mi_option_last == 47,
            "mimalloc has other options than those that the number was taken from"
        );
    }
    // SAFETY: the number is that of an option, and no other thread looks at the options meanwhile.
    unsafe {
        mi_option_set_default(ARENA_MAX_OBJECT_SIZE, LARGE_KIB);
    }
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    #[test]
    #[expect(unsafe_code, reason = "as above")]
    fn the_option_that_is_set_is_the_one_that_is_meant() {
        // SAFETY: as above; the tests of this program set no options elsewhere.
        let get = || unsafe { mi_option_get(ARENA_MAX_OBJECT_SIZE) };
        // Two GiB is the default of this option and of no other.
        assert_eq!(get(), 2 << 20);
        give_back_large_pieces();
        assert_eq!(get(), LARGE_KIB);
    }
}
