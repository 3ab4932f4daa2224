package command

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/policy"
)

// policyKind is the value of --kind; zero is an identity policy.
type policyKind policy.Kind

var policyKindNames = []string{
	policy.Identity: "identity", policy.Key: "key", policy.Trust: "trust", policy.Session: "session",
	policy.Boundary: "boundary", policy.SCP: "scp", policy.RCP: "rcp",
}

func (k *policyKind) String() string { return policyKindNames[*k] }
func (k *policyKind) Type() string   { return "kind" }

// Set makes policyKind a flag.
func (k *policyKind) Set(s string) error {
	for i, name := range policyKindNames {
		if s == name {
			*k = policyKind(i)
			return nil
		}
	}
	return fmt.Errorf("must be one of %s", strings.Join(policyKindNames, ", "))
}

func (k *policyKind) flag(cmd *cobra.Command) {
	cmd.Flags().Var(k, "kind", "what the policy is for: "+strings.Join(policyKindNames, ", "))
	must(cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(policyKindNames, cobra.ShellCompDirectiveNoFileComp)))
}

func newPolicyLint(c *cli) *cobra.Command {
	var kind policyKind
	cmd := &cobra.Command{
		Use:   "lint [FILE...]",
		Short: "Check policies as keyd does when they are saved, without keyd",
		Long: `Check policies as keyd does when they are saved. Needs no keyd and no credentials.
Each finding is a line FILE:LINE:COLUMN: reason, as compilers write them, and
the exit code is 2 if there is one. Without FILE, standard input is checked.

A key policy that leaves identity policies no say, since it allows nothing to the
account as a whole, is accepted with a warning: if who it names is gone, nobody
can use or change the key.`,
		Example: "  keyctl policy lint policies/*.json\n  keyctl policy lint --kind trust trust.json",
		RunE:    c.run(func(_ context.Context, args []string) error { return c.policyLint(args, policy.Kind(kind)) }),
	}
	kind.flag(cmd)
	return cmd
}

// findingDoc is one fault of a policy, or one warning; Line is 0 if it has no place.
type findingDoc struct {
	File   string
	Line   int
	Column int
	Reason string
	Detail string `json:",omitempty"`
}

// lintDoc is the JSON of policy lint.
type lintDoc struct {
	Valid    bool
	Findings []findingDoc
	Warnings []findingDoc `json:",omitempty"`
}

// undelegated is the warning of rule 9.3.
const undelegated = "no statement allows anything to the account (its root): identity policies have no say, and if who it names is gone, nobody has"

// accountID finds the accounts that a policy speaks of.
var accountID = regexp.MustCompile(`[0-9]{12}`)

// delegates reports whether a key policy allows something to an account as a
// whole, or to everybody. Which account the key will be in is not known here, but
// one that the policy does not speak of it allows nothing.
func delegates(p *policy.Policy, text []byte) bool {
	for _, s := range p.Statements {
		everybody := func(e policy.PrincipalEntry) bool { return e.Value == "*" }
		if s.Effect == policy.Allow && !s.Principals.Not && slices.ContainsFunc(s.Principals.Entries, everybody) {
			return true
		}
	}
	return slices.ContainsFunc(accountID.FindAll(text, -1), func(id []byte) bool { return p.Delegates(string(id)) })
}

func (c *cli) policyLint(files []string, kind policy.Kind) error {
	if len(files) == 0 {
		files = []string{"-"}
	}
	doc := lintDoc{Findings: []findingDoc{}}
	var lines strings.Builder
	for _, file := range files {
		text, err := c.readPolicyText(file)
		if err != nil {
			return err
		}
		parsed, err := policy.Parse(text, kind)
		if err == nil {
			if kind == policy.Key && !delegates(parsed, text) {
				doc.Warnings = append(doc.Warnings, findingDoc{File: fileName(file), Reason: undelegated})
				fmt.Fprintf(&lines, "%s: warning: %s\n", fileName(file), undelegated)
			}
			continue
		}
		fault, ok := errors.AsType[*policy.Error](err)
		if !ok {
			fault = &policy.Error{Kind: kind, Reason: err.Error()}
		}
		doc.Findings = append(doc.Findings, findingDoc{fileName(file), fault.Line, fault.Column, fault.Reason, fault.Detail})
		fmt.Fprintf(&lines, "%s: %s\n", place(file, fault), faultText(fault))
	}
	doc.Valid = len(doc.Findings) == 0
	if c.format == outputJSON {
		if err := c.json(doc); err != nil {
			return err
		}
	} else if err := c.put("", raw, []byte(lines.String())); err != nil {
		return err
	}
	if doc.Valid {
		return nil
	}
	return usagef("", "%d of %d: not accepted as %s", len(doc.Findings), len(files), kind)
}

// fileName is a file for people.
func fileName(file string) string {
	if file == "" || file == "-" {
		return "standard input"
	}
	return file
}

// place is FILE:LINE:COLUMN, as far as it is known.
func place(file string, fault *policy.Error) string {
	if fault.Line == 0 {
		return fileName(file)
	}
	return fmt.Sprintf("%s:%d:%d", fileName(file), fault.Line, fault.Column)
}

func faultText(fault *policy.Error) string {
	if fault.Detail == "" {
		return fault.Reason
	}
	return fault.Reason + " (" + fault.Detail + ")"
}
