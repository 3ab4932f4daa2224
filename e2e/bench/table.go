package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/keyd-hsm/keyd/internal/term"
)

// table gathers the samples of all rounds.
type table struct{ rows []*row }

// row is one line: what was measured, and what each round gave.
type row struct {
	name        string
	connections int
	samples     []sample
	ratios      []float64
}

// add notes a sample and the floor that was measured beside it.
func (t *table) add(name string, connections int, s, floor sample) {
	r := t.find(name, connections)
	if r == nil {
		r = &row{name: name, connections: connections}
		t.rows = append(t.rows, r)
	}
	r.samples = append(r.samples, s)
	r.ratios = append(r.ratios, s.perSecond/floor.perSecond)
}

func (t *table) find(name string, connections int) *row {
	i := slices.IndexFunc(t.rows, func(r *row) bool { return r.name == name && r.connections == connections })
	if i < 0 {
		return nil
	}
	return t.rows[i]
}

// print writes the table, the lines that Go's benchmark tools read, and whether
// the mark is met.
func (b *bench) print(w io.Writer) error {
	out := term.NewTable("", "CONNECTIONS", "OPS/S", "OF FLOOR", "P50", "P99", "CPU")
	for _, r := range b.table.rows {
		m := r.median()
		out.Row(r.name, strconv.Itoa(r.connections), strconv.Itoa(int(m.perSecond)),
			fmt.Sprintf("%.2f", median(r.ratios)), microseconds(m.p50), microseconds(m.p99), microseconds(m.cpu))
	}
	if err := out.Write(w, term.StyleOf(w)); err != nil {
		return err
	}
	fmt.Fprint(w, "CPU is what the server's process used for one, on all processors together.\n\n")
	for _, r := range b.table.rows {
		m := r.median()
		fmt.Fprintf(w, "Benchmark/%s/connections=%d %d %.0f ns/op %d p50-ns %d p99-ns %.3f of-floor\n", label(r.name),
			r.connections, int(m.perSecond*b.each.Seconds()), 1e9/m.perSecond, m.p50.Nanoseconds(), m.p99.Nanoseconds(), median(r.ratios))
	}
	encrypt := b.table.find("Encrypt", b.many)
	if encrypt == nil {
		return nil
	}
	reached, verdict := median(encrypt.ratios), "met"
	if reached < mark {
		verdict = "NOT met"
	}
	_, err := fmt.Fprintf(w, "\nThe mark is %s: Encrypt with %d connections at %.2f of the floor or better; measured %.2f.\n",
		verdict, b.many, mark, reached)
	return err
}

func (r *row) median() sample {
	of := func(value func(sample) float64) float64 {
		values := make([]float64, len(r.samples))
		for i, s := range r.samples {
			values[i] = value(s)
		}
		return median(values)
	}
	return sample{
		perSecond: of(func(s sample) float64 { return s.perSecond }),
		p50:       time.Duration(of(func(s sample) float64 { return float64(s.p50) })),
		p99:       time.Duration(of(func(s sample) float64 { return float64(s.p99) })),
		cpu:       time.Duration(of(func(s sample) float64 { return float64(s.cpu) })),
	}
}

// median is the middle value, the lower one of two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}

func microseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Nanoseconds())/1e3, 'f', 0, 64) + " µs"
}

// label makes a name one word.
func label(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c == ' ' || c == ',' || c == ':' {
			b[i] = '_'
		}
	}
	return string(b)
}
