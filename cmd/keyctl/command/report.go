package command

import (
	"bytes"
	"context"
	"encoding/csv"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

func newReport(c *cli) *cobra.Command {
	return parent("report", "Who has credentials, and who does not use them", newReportCredentials(c), newReportUnused(c))
}

func newReportCredentials(c *cli) *cobra.Command {
	var asCSV bool
	cmd := &cobra.Command{
		Use:     "credentials",
		Short:   "The credential report: every user with access keys and their use",
		Example: "  keyctl report credentials\n  keyctl report credentials --csv > report.csv",
		Args:    cobra.NoArgs,
		RunE: c.connected(func(ctx context.Context, cl *client, _ []string) error {
			return c.reportCredentials(ctx, cl, asCSV)
		}),
	}
	cmd.Flags().BoolVar(&asCSV, "csv", false, "the report as IAM writes it, every column")
	return cmd
}

// credentialReportDoc is the JSON of report credentials: rows by column name.
type credentialReportDoc struct{ Report []map[string]string }

// shortReport is what the table shows of the report's many columns.
var shortReport = []string{"user", "user_creation_time", "access_key_1_active", "access_key_1_last_used_date",
	"access_key_2_active", "access_key_2_last_used_date", "mfa_active"}

func (c *cli) reportCredentials(ctx context.Context, cl *client, asCSV bool) error {
	if _, err := cl.iam.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{}); err != nil {
		return err
	}
	out, err := cl.iam.GetCredentialReport(ctx, &iam.GetCredentialReportInput{})
	if err != nil {
		return err
	}
	if asCSV && c.format != outputJSON {
		return c.put("", raw, out.Content)
	}
	rows, err := csv.NewReader(bytes.NewReader(out.Content)).ReadAll()
	if err != nil || len(rows) == 0 {
		return failf(exitUnavailable, stranger.hint, "credential report: not CSV")
	}
	doc := credentialReportDoc{Report: []map[string]string{}}
	t := term.NewTable("USER", "CREATED", "KEY 1", "LAST USED", "KEY 2", "LAST USED", "MFA")
	for _, fields := range rows[1:] {
		row, short := map[string]string{}, []string{}
		for i, column := range rows[0] {
			row[column] = fields[i]
		}
		for _, column := range shortReport {
			short = append(short, orDash(row[column]))
		}
		doc.Report = append(doc.Report, row)
		t.Row(short...)
	}
	return c.show(doc, t)
}
