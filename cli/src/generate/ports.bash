# Where a port is wanted, the ports that are listened on, as the command tells them; options and their values otherwise.
_kill_port_or_port() {
    local program="$1" current="$2" before="$3" port rest
    # Bash takes the sign of `--signal=INT` for a word.
    if [[ "${current}" == "=" ]]; then
        current=""
    elif [[ "${before}" == "=" && ${COMP_CWORD} -gt 1 ]]; then
        before="${COMP_WORDS[COMP_CWORD-2]}"
    fi
    case "${before}" in
        {VALUED})
            _kill_port "$1" "${current}" "${before}"
            return
            ;;
    esac
    if [[ "${current}" == -* ]]; then
        _kill_port "$1" "${current}" "${before}"
        return
    fi
    # No other program is called than this one, wherever it lies.
    [[ "${program}" == "~/"* ]] && program="${HOME}${program#"~"}"
    [[ "${program}" == */kill_port && -x "${program}" ]] || program=kill_port
    COMPREPLY=()
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        # A file is no port.
        compopt +o bashdefault +o default 2>/dev/null
    fi
    while IFS=$'\t' read -r port rest; do
        if [[ "${port}" == "${current}"* && "${port}" =~ ^[0-9]+$ ]]; then
            COMPREPLY+=("${port}")
        fi
    done <<<"$(command "${program}" --completions ports 2>/dev/null)"
}
