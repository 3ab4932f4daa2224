package term

import "os"

// Style colours words, or leaves them as they are. The zero Style is plain.
type Style struct{ on bool }

// StyleOf returns the style for a stream: colours if it is a terminal that
// knows them and the environment has no NO_COLOR (https://no-color.org).
func StyleOf(stream any) Style {
	return Style{on: Is(stream) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// Bold is for what must be seen first.
func (s Style) Bold(text string) string { return s.sgr("1", text) }

// Dim is for headings and other furniture.
func (s Style) Dim(text string) string { return s.sgr("2", text) }

// Red is for what failed.
func (s Style) Red(text string) string { return s.sgr("1;31", text) }

// Yellow is for what needs care.
func (s Style) Yellow(text string) string { return s.sgr("33", text) }

// sgr wraps text in one SGR sequence (ECMA-48) and its reset.
func (s Style) sgr(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
