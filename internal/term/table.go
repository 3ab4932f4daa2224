package term

import (
	"io"
	"strings"
	"unicode/utf8"
)

// gap is the space between two columns.
const gap = "   "

// Table aligns cells in columns. Cells are cleaned ([Clean]) as they are added.
// A width is counted in characters, so wide scripts may stand a little off.
type Table struct {
	head []string
	rows [][]string
}

// NewTable returns a table with a heading; with none, it has no heading line.
func NewTable(head ...string) *Table { return &Table{head: head} }

// Row adds one line.
func (t *Table) Row(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = Clean(cell)
	}
	t.rows = append(t.rows, row)
}

// Write writes the table to w, its heading in style's dim.
func (t *Table) Write(w io.Writer, style Style) error {
	widths := t.widths()
	var b strings.Builder
	if len(t.head) > 0 {
		b.WriteString(style.Dim(line(t.head, widths)) + "\n")
	}
	for _, row := range t.rows {
		b.WriteString(line(row, widths) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) widths() []int {
	var widths []int
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// line joins cells, padded to their columns but without trailing space.
func line(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(cell)
		b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		if i < len(cells)-1 {
			b.WriteString(gap)
		}
	}
	return strings.TrimRight(b.String(), " ")
}
