# bash completion for dacha. In ~/.bashrc:
#
#     eval "$(dacha completion bash)"
#
# or as ~/.local/share/bash-completion/completions/dacha, where bash-completion is installed.

_dacha() {
    local IFS=$' \t\n' action argument path at=0 seen=0
    local -a lines
    mapfile -t lines < <(command dacha __complete bash "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    action=${lines[0]-} argument=${lines[1]-}
    case $action in
    words)
        COMPREPLY=("${lines[@]:2}")
        # A transport is followed by a path.
        if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *: ]]; then compopt -o nospace; fi
        ;;
    files | directories)
        compopt -o filenames
        [[ $action == files ]] && action=-f || action=-d
        while IFS= read -r path; do
            COMPREPLY+=("$argument$path")
        done < <(compgen "$action" -- "${2#"$argument"}")
        ;;
    command)
        # bash's own words, which it splits at colons too: count what they have of characters.
        while ((seen < argument && at < COMP_CWORD)); do
            ((seen += ${#COMP_WORDS[at]}, at += 1))
        done
        if declare -F _comp_command_offset >/dev/null; then # bash-completion 2.12
            _comp_command_offset "$at"
        elif declare -F _command_offset >/dev/null; then # older ones
            _command_offset "$at"
        elif ((at == COMP_CWORD)); then
            mapfile -t COMPREPLY < <(compgen -c -- "$2")
        else
            compopt -o default
        fi
        ;;
    esac
}

complete -F _dacha dacha
