package command

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func newAudit(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Follow the audit log, and prove that it is whole",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newAuditTail(c), newAuditVerify(c))
	return cmd
}

const auditDirHelp = `DIR is the log's directory, or the data directory of keyd that holds it as
"audit"; without it, KEYD_AUDIT_DIR.`

// auditDir finds the log that an optional argument names. A checkpoint is what
// every log has.
func auditDir(args []string) (string, error) {
	dir := os.Getenv("KEYD_AUDIT_DIR")
	if len(args) > 0 {
		dir = args[0]
	}
	if dir == "" {
		return "", usagef("give DIR, or set KEYD_AUDIT_DIR", "no audit log named")
	}
	for _, candidate := range []string{dir, filepath.Join(dir, "audit")} {
		if _, err := os.Stat(filepath.Join(candidate, "checkpoint")); err == nil {
			return candidate, nil
		} else if !os.IsNotExist(err) {
			return "", err
		}
	}
	return "", failf(exitNotFound, "give the data directory of keyd, or the audit directory in it", "%s: no audit log there", dir)
}
