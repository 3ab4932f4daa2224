package command

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/internal/term"
)

type auditTailOptions struct {
	lines    int
	noFollow bool
}

func newAuditTail(c *cli) *cobra.Command {
	o := &auditTailOptions{}
	cmd := &cobra.Command{
		Use:   "tail [DIR]",
		Short: "Show the last events, and those to come",
		Long: `Show the last events of an audit log, and then each one as it comes, until you
interrupt it. It reads the files, so it needs no credentials but the right to
read them. It proves nothing: see keyctl audit verify.

` + auditDirHelp,
		Example: "  keyctl audit tail /var/lib/keyd\n  keyctl audit tail -n 100 --no-follow -o json | jq -r .eventName",
		Args:    cobra.MaximumNArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			return c.auditTail(ctx, args, *o)
		}),
	}
	cmd.Flags().IntVarP(&o.lines, "lines", "n", 10, "begin with the last `N` events")
	cmd.Flags().BoolVar(&o.noFollow, "no-follow", false, "end after the events that are there")
	return cmd
}

func (c *cli) auditTail(ctx context.Context, args []string, o auditTailOptions) error {
	if o.lines < 0 {
		return usagef("", "--lines %d: must not be negative", o.lines)
	}
	dir, err := auditDir(args)
	if err != nil {
		return err
	}
	count, err := audit.Count(dir)
	if err != nil {
		return err
	}
	from := max(0, count-int64(o.lines))
	entries := audit.Follow(ctx, dir, from)
	if o.noFollow {
		entries = audit.Read(dir, from)
	}
	show := c.entryWriter()
	for e, err := range entries {
		if err == nil {
			err = show(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// entryWriter returns the function that shows one entry at a time: in JSON as
// it stands in the log, or as a line for people.
func (c *cli) entryWriter() func(audit.Entry) error {
	style, isTerminal := term.StyleOf(c.out), term.Is(c.out)
	return func(e audit.Entry) error {
		line := string(e.Record)
		if c.format != outputJSON {
			return c.write([]byte(eventLine(e, style) + "\n"))
		}
		if isTerminal {
			line = term.Clean(line)
		}
		return c.write([]byte(line + "\n"))
	}
}

// eventLine is one event for people: when, who, what, how it ended, on what.
// Lines come one by one, so the columns have fixed widths that most fit in.
func eventLine(e audit.Entry, style term.Style) string {
	var event audit.Event
	if err := json.Unmarshal(e.Record, &event); err != nil {
		return style.Red(fmt.Sprintf("record %d: no event", e.Index))
	}
	result := "ok"
	if event.ErrorCode != "" {
		result = event.ErrorCode
	}
	var resources []string
	for _, r := range event.Resources {
		resources = append(resources, resourceName(r.ARN))
	}
	line := strings.TrimRight(term.Clean(fmt.Sprintf("%s  %-20s  %-24s  %-12s  %s", when(event.EventTime),
		orDash(resourceName(event.UserIdentity.ARN)), event.EventName, result, strings.Join(resources, " "))), " ")
	if event.ErrorCode != "" {
		return style.Red(line)
	}
	return line
}

// resourceName is the last part of an ARN, which names the thing itself.
func resourceName(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[5]
	}
	return arn
}
