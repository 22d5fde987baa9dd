# fish completion for dacha, as ~/.config/fish/completions/dacha.fish:
#
#     dacha completion fish >~/.config/fish/completions/dacha.fish

function __dacha_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l word (string unescape -- $typed; or printf '%s\n' $typed)
    set -e words[1]
    set -l lines (command dacha __complete words $words "$word" 2>/dev/null)
    set -l argument $lines[2]
    switch "$lines[1]"
        case words
            set -e lines[1..2]
            string join \n -- $lines
        case files
            # A command that nobody has completions for: fish completes paths.
            set -l start (string length -- "$argument")
            set -l path (string sub -s (math $start + 1) -- "$typed")
            string join \n -- $argument(complete -C "__dacha_no_command $path")
        case directories
            set -l start (string length -- "$argument")
            set -l path (string sub -s (math $start + 1) -- "$word")
            string join \n -- $argument(__fish_complete_directories "$path" Directory)
        case command
            set -l rest
            if test (count $words) -ge $argument
                set rest (string escape -- $words[$argument..-1])
            end
            complete -C "$rest $typed"
    end
end

complete -c dacha -f -a '(__dacha_complete)'
