package command

// MainContext lets tests end a verb that follows for ever.
var MainContext = mainContext

// MatchesAction is the wildcards of policy summary.
var MatchesAction = matchesAction
