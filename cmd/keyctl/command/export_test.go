package command

// MainContext lets tests end a verb that follows for ever.
var MainContext = mainContext
