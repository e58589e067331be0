# Completions of cachectl for fish: `cachectl completions fish` prints this file.
# Put it into ~/.config/fish/completions/cachectl.fish.

function __cachectl_words
    set -l typed (commandline --current-token --cut-at-cursor)
    set -l words (commandline --tokenize --current-process --cut-at-cursor) "$typed"
    for line in (cachectl completions fish -- $words 2>/dev/null)
        switch $line
            case '*<files>*'
                # What stands before the name of the file: `--from=`.
                set -l head (string replace --regex '<files>.*' '' -- $line)
                for path in (__fish_complete_path (string replace -- "$head" '' "$typed"))
                    echo $head$path
                end
            case '*'
                echo $line
        end
    end
end

complete --command cachectl --no-files --arguments '(__cachectl_words)'
