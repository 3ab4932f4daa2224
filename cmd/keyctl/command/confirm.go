package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// confirmation is what a verb needs before it does what cannot be undone: --yes,
// or an answer on the terminal that names exactly the thing meant.
type confirmation struct{ yes bool }

func (o *confirmation) flag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
}

// possible refuses what would need an answer where nobody is there to give one.
// It is asked first, before anything is sent.
func (o confirmation) possible(c *cli, what, act string) error {
	if !o.yes && !c.terminal.Interactive() {
		return usagef("add --yes if you are sure", "%s: %s needs a confirmation, and there is nobody to ask", what, act)
	}
	return nil
}

// question is what a person is asked: what will happen and to what, and the
// names of which one must be typed; the others are accepted, but not shown.
type question struct {
	warning string
	facts   *term.Table
	names   []string
	others  []string
	what    string // a kind of thing: key, grant
}

// ask shows the question and wants one of the names.
func (c *cli) ask(q question) error {
	style := term.StyleOf(c.err)
	fmt.Fprintf(c.err, "%s\n", style.Bold(term.Clean(q.warning)))
	if err := q.facts.Write(c.err, style); err != nil {
		return err
	}
	typed, err := c.terminal.Line("Type " + term.Clean(strings.Join(q.names, " or ")) + " to go on: ")
	if err != nil {
		return fmt.Errorf("confirmation: %w", err)
	}
	if !slices.Contains(append(slices.Clone(q.names), q.others...), typed) {
		return &failure{err: errors.New("that is not this " + q.what + "; nothing was changed"), exit: exitFailure}
	}
	return nil
}
