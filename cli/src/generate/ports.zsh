# The ports that are listened on, as the command tells them, each with who does.
_kill_port_ports() {
    local program=${(Q)words[1]} port who
    local -a ports shown expl
    # No other program is called than this one, wherever it lies.
    [[ $program == '~/'* ]] && program=$HOME${program#'~'}
    [[ $program == */kill_port && -x $program ]] || program=kill_port
    while IFS=$'\t' read -r port who; do
        [[ $port == <1-65535> ]] || continue
        ports+=($port)
        shown+=("${(r:5:)port}  $who")
    done < <(command $program --completions ports 2>/dev/null)
    _wanted -V ports expl 'port' compadd -l -d shown -a ports
}
