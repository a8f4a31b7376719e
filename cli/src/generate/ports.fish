# The ports that are listened on, as the command tells them, each with who does.
function __kill_port_ports
    set -l program (commandline -opc)[1]
    # No other program is called than this one, wherever it lies.
    if string match -q '~/*' -- "$program"
        set program $HOME(string sub -s 2 -- $program)
    end
    if not string match -q '*/kill_port' -- "$program"; or not test -x "$program"
        set program kill_port
    end
    command $program --completions ports 2>/dev/null
end

complete -c kill_port -k -f -a '(__kill_port_ports)'
