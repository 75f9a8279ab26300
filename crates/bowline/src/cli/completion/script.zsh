#compdef PROGRAM
# Completion of PROGRAM for zsh: PROGRAM completion zsh > "${fpath[1]}/_PROGRAM"
_PROGRAM() {
    local -a found
    found=("${(@f)$(${words[1]} __complete zsh "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[1]}" ]]; then
        _describe -V values found
    else
        _files
    fi
}
if [[ "${funcstack[1]}" == _PROGRAM ]]; then
    _PROGRAM "$@"
else
    compdef _PROGRAM PROGRAM
fi
