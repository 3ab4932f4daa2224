package command

import (
	"context"
	"errors"
	"fmt"
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
the exit code is 2 if there is one. Without FILE, standard input is checked.`,
		Example: "  keyctl policy lint policies/*.json\n  keyctl policy lint --kind trust trust.json",
		RunE:    c.run(func(_ context.Context, args []string) error { return c.policyLint(args, policy.Kind(kind)) }),
	}
	kind.flag(cmd)
	return cmd
}

// findingDoc is one fault of a policy; Line is 0 if it has no place.
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
		_, err = policy.Parse(text, kind)
		if err == nil {
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
