# Completions of cachectl for PowerShell 7.3 and later: `cachectl completions powershell` prints this file.
# Source it from $PROFILE.

Register-ArgumentCompleter -Native -CommandName cachectl -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $before = $commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition }
    $words = @($before | ForEach-Object { $_.Extent.Text.Trim("'", '"') }) + @($wordToComplete.Trim("'", '"'))
    cachectl completions powershell -- $words 2>$null | ForEach-Object {
        $word, $about = $_ -split "`t", 2
        if ($word -like '*<files>') {
            [System.Management.Automation.CompletionCompleters]::CompleteFilename($wordToComplete)
        } else {
            $tip = if ($about) { $about } else { $word }
            [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $tip)
        }
    }
}
