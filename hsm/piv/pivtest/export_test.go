package pivtest

// ReaderStates asks a daemon for its readers.
var ReaderStates = readerStates
