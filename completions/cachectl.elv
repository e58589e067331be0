# Completions of cachectl for elvish: `cachectl completions elvish` prints this file.
# Put it into ~/.config/elvish/lib and `use cachectl` in rc.elv.

use str

set edit:completion:arg-completer[cachectl] = {|@words|
    cachectl completions elvish -- $@words 2>/dev/null | from-lines | each {|line|
        var word about = (str:split &max=2 "\t" $line)
        if (str:has-suffix $word '<files>') {
            edit:complete-filename $words[-1]
        } elif (or (str:has-suffix $word /) (str:has-suffix $word :) (str:has-suffix $word =)) {
            # A scheme or a limit that ends so goes on.
            edit:complex-candidate $word &display=$word'  '$about
        } else {
            edit:complex-candidate $word &code-suffix=' ' &display=$word'  '$about
        }
    }
}
