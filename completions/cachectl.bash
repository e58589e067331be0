# Completions of cachectl for bash: `cachectl completions bash` prints this file.
# Source it, or put it into ~/.local/share/bash-completion/completions/cachectl.

_cachectl() {
    # Bash ends words at : = and @ too, as COMP_WORDBREAKS has it. What is not apart in the line is one word.
    local rest=${COMP_LINE:0:COMP_POINT} words=() word i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i == 0)) || [[ $rest == [[:blank:]]* ]]; then
            rest=${rest#"${rest%%[![:blank:]]*}"}
            words+=("")
        fi
        ((i < COMP_CWORD)) || word=$rest
        rest=${rest#"$word"}
        words[${#words[@]} - 1]+=${word//[\'\"\\]/}
    done
    # What stands before the last such character is not replaced, nor are : and =, so no answer may repeat it.
    local typed=${words[${#words[@]} - 1]} kept="" breaks=""
    for word in : = @; do
        [[ $COMP_WORDBREAKS != *"$word"* ]] || breaks+=$word
    done
    [[ -z $breaks || $typed != *["$breaks"]* ]] || kept=${typed%"${typed##*["$breaks"]}"}
    kept=${kept%@}
    COMPREPLY=()
    local about
    while IFS=$'\t' read -r word about; do
        if [[ $word == *"<files>" ]]; then
            compopt -o filenames 2>/dev/null
            while IFS= read -r word; do
                COMPREPLY+=("$word")
            done < <(compgen -f -- "${typed#"$kept"}")
        else
            COMPREPLY+=("${word#"$kept"}")
        fi
    done < <("${1/#\~/$HOME}" completions bash -- "${words[@]}" 2>/dev/null)
    # A scheme, a limit or a layer that ends so goes on.
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[/:=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -F _cachectl cachectl
