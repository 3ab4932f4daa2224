package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
	"github.com/keyd-hsm/keyd/policy"
)

func newPolicySummary(c *cli) *cobra.Command {
	var kind policyKind
	cmd := &cobra.Command{
		Use:   "summary [FILE]",
		Short: "What a policy allows and denies, by access level, without keyd",
		Long: `What each statement of a policy allows or denies: actions by access level (List,
Read, Write, Permissions management, Tagging), with resources and conditions.
Wildcards are resolved to the actions of kms, iam, sts and cloudtrail; actions
that none of these has are said, for they do nothing here.`,
		Example: "  keyctl policy summary policy.json\n  keyctl policy show ReadOnlyAccess --document | keyctl policy summary",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.run(func(_ context.Context, args []string) error {
			return c.policySummary(first(args), policy.Kind(kind))
		}),
	}
	kind.flag(cmd)
	return cmd
}

// summaryDoc is the JSON of policy summary.
type summaryDoc struct{ Statements []statementDoc }

// statementDoc is one statement. Levels has every action that it means, sorted
// by level.
type statementDoc struct {
	Sid        string `json:",omitempty"`
	Line       int
	Effect     policy.Effect
	Principals []string `json:",omitempty"`
	Levels     []levelDoc
	Unknown    []string // actions that no service here has
	Resources  []string
	Conditions []string
}

type levelDoc struct {
	Level   string
	All     bool // every action that any service here has at this level
	Actions []string
}

func (c *cli) policySummary(file string, kind policy.Kind) error {
	text, err := c.readDocument(file, kind)
	if err != nil {
		return err
	}
	p, err := policy.Parse([]byte(text), kind)
	if err != nil {
		return err
	}
	doc := summaryDoc{Statements: []statementDoc{}}
	t := term.NewTable("EFFECT", "LEVEL", "ACTIONS", "RESOURCES", "CONDITIONS")
	for _, s := range p.Statements {
		d := newStatementDoc(s)
		doc.Statements = append(doc.Statements, d)
		d.rows(t)
	}
	return c.show(doc, t)
}

func newStatementDoc(s *policy.Statement) statementDoc {
	d := statementDoc{Sid: s.Sid, Line: s.Line, Effect: s.Effect, Levels: []levelDoc{}, Unknown: []string{}, Conditions: []string{}}
	for _, p := range s.Principals.Entries {
		d.Principals = append(d.Principals, not(s.Principals.Not)+strings.TrimPrefix(p.Type+" "+p.Value, " "))
	}
	for _, level := range accessLevels {
		if l := levelOfStatement(s, level); len(l.Actions) > 0 {
			d.Levels = append(d.Levels, l)
		}
	}
	for _, pattern := range s.Actions.Values {
		if !slices.ContainsFunc(actions, func(a action) bool { return matchesAction(pattern, a.name) }) {
			d.Unknown = append(d.Unknown, pattern)
		}
	}
	d.Resources = []string{}
	for _, r := range s.Resources.Values {
		d.Resources = append(d.Resources, not(s.Resources.Not)+r)
	}
	for _, k := range s.Conditions {
		d.Conditions = append(d.Conditions, fmt.Sprintf("%s %s [%s]", k.Key, k.Operator, strings.Join(k.Values, ", ")))
	}
	return d
}

func not(b bool) string {
	if b {
		return "not "
	}
	return ""
}

// levelOfStatement finds the actions of one level that a statement means.
func levelOfStatement(s *policy.Statement, level string) levelDoc {
	l, total := levelDoc{Level: level}, 0
	for _, a := range actions {
		if a.level != level {
			continue
		}
		total++
		named := slices.ContainsFunc(s.Actions.Values, func(p string) bool { return matchesAction(p, a.name) })
		if named != s.Actions.Not {
			l.Actions = append(l.Actions, a.name)
		}
	}
	l.All = len(l.Actions) == total
	return l
}

// shown is how many actions of a level are listed for people.
const shown = 4

func (d statementDoc) rows(t *term.Table) {
	resources, conditions := orDash(strings.Join(d.Resources, " ")), orDash(strings.Join(d.Conditions, "; "))
	for _, l := range d.Levels {
		t.Row(string(d.Effect), l.Level, l.short(), resources, conditions)
	}
	for _, name := range d.Unknown {
		t.Row(string(d.Effect), "no such action", name, resources, conditions)
	}
}

// short lists the actions of a level for people: a service of which the
// statement means all of them has one word.
func (l levelDoc) short() string {
	if l.All {
		return "all"
	}
	var words []string
	for rest := l.Actions; len(rest) > 0; {
		service, _, _ := strings.Cut(rest[0], ":")
		n := 0
		for n < len(rest) && strings.HasPrefix(rest[n], service+":") {
			n++
		}
		if n == actionsAt(service, l.Level) && n > 1 {
			words = append(words, "all of "+service)
		} else {
			words = append(words, rest[:n]...)
		}
		rest = rest[n:]
	}
	text := strings.Join(words[:min(shown, len(words))], " ")
	if more := len(words) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// actionsAt counts the actions that a service has at a level.
func actionsAt(service, level string) int {
	n := 0
	for _, a := range actions {
		if a.level == level && strings.HasPrefix(a.name, service+":") {
			n++
		}
	}
	return n
}
