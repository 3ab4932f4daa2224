package command

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/internal/term"
)

func newAuditVerify(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Prove that nothing in an audit log was changed, removed or reordered",
		Long: `Prove, from the files alone, that nothing in an audit log was changed, removed
or reordered, as far as its checkpoint and hashes go; say where if it was. It
changes nothing, talks to nobody, and may run beside keyd or on a copy.

Who can write every file of a log can make another that agrees with itself:
note the number of records and the root it prints, and keep them elsewhere.

` + auditDirHelp + `

It ends with 8 if the log does not verify.`,
		Example: "  keyctl audit verify /var/lib/keyd\n  keyctl audit verify ./copy-of-audit -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE:    c.run(func(_ context.Context, args []string) error { return c.auditVerify(args) }),
	}
}

// verifyDoc is the JSON of audit verify.
type verifyDoc struct {
	Valid          bool
	Origin         string
	Size           int64  // records
	Root           string // base64, as in the checkpoint
	CheckpointSize int64
	CheckpointRoot string
	Segments       int
	// Of a log that is not valid: what is wrong, and where.
	Problem string `json:",omitempty"`
	File    string `json:",omitempty"`
	Line    int64  `json:",omitempty"`
	Record  *int64 `json:",omitempty"`
}

func (c *cli) auditVerify(args []string) error {
	dir, err := auditDir(args)
	if err != nil {
		return err
	}
	report, err := audit.Verify(dir)
	fault, faulty := errors.AsType[*audit.Fault](err)
	if err != nil && !faulty {
		return err
	}
	doc := newVerifyDoc(report, fault)
	if !faulty {
		return c.show(doc, doc.table(report))
	}
	if c.format == outputJSON {
		if err := c.json(doc); err != nil {
			return err
		}
	}
	return err
}

func newVerifyDoc(r audit.Report, fault *audit.Fault) verifyDoc {
	doc := verifyDoc{
		Valid: fault == nil, Origin: r.Origin, Segments: r.Segments,
		Size: r.Tree.N, Root: base64.StdEncoding.EncodeToString(r.Tree.Hash[:]),
		CheckpointSize: r.Checkpoint.N, CheckpointRoot: base64.StdEncoding.EncodeToString(r.Checkpoint.Hash[:]),
	}
	if fault != nil {
		doc.Problem, doc.File, doc.Line = fault.Why, fault.File, fault.Line
		if fault.Index >= 0 {
			doc.Record = &fault.Index
		}
	}
	return doc
}

func (d verifyDoc) table(r audit.Report) *term.Table {
	t := term.NewTable()
	t.Row("log", d.Origin)
	t.Row("records", strconv.FormatInt(d.Size, 10))
	t.Row("root", d.Root)
	t.Row("checkpoint", "at record "+strconv.FormatInt(d.CheckpointSize, 10))
	if r.Torn > 0 {
		t.Row("at the end", strconv.FormatInt(r.Torn, 10)+" bytes of a record that was never acknowledged")
	}
	t.Row("result", "whole: nothing changed, removed or reordered")
	return t
}
