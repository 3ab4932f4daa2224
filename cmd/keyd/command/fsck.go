package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
	"github.com/keyd-hsm/keyd/mfa"
	"github.com/keyd-hsm/keyd/server"
	"github.com/keyd-hsm/keyd/store"
	"github.com/keyd-hsm/keyd/store/bolt"
)

func newFsck() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "fsck --dir DIR",
		Short: "Check a data directory",
		Long: `Check the state file, the records in it against each other, and the audit log
of a data directory. It changes nothing, needs no token, and refuses a directory
whose daemon is running. Exit code 3 means damage was found.`,
		Example: "  keyd fsck --dir /var/lib/keyd",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usage(errors.New("--dir is not set"), "as in keyd fsck --dir /var/lib/keyd")
			}
			return runFsck(cmd.Context(), dir, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "data directory (needed)")
	return cmd
}

func runFsck(ctx context.Context, dir string, out io.Writer) error {
	lock, err := lockExisting(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	db, err := bolt.Open(filepath.Join(dir, stateFile))
	if err != nil {
		return damage(err)
	}
	defer db.Close()
	if err := db.Check(ctx); err != nil {
		return damage(fmt.Errorf("state: %w", err))
	}
	if _, err := readAppliance(db); err != nil {
		return damage(fmt.Errorf("state: %w", err))
	}
	if err := checkTokenFile(dir, db); err != nil {
		return damage(fmt.Errorf("token: %w", err))
	}
	report, err := audit.Verify(filepath.Join(dir, auditDir))
	if err != nil {
		return damage(fmt.Errorf("audit log: %w", err))
	}
	var problems []string
	waiting := 0
	err = db.View(ctx, func(tx store.Tx) error {
		problems = slices.Concat(kms.Fsck(tx), iam.Fsck(tx), mfa.Fsck(tx))
		n, more := server.Fsck(tx, report.Tree.N)
		waiting, problems = n, append(problems, more...)
		return nil
	})
	if err != nil {
		return damage(fmt.Errorf("state: %w", err))
	}
	for _, p := range problems {
		fmt.Fprintln(out, p)
	}
	if len(problems) > 0 {
		return damage(fmt.Errorf("state: %d records are wrong", len(problems)))
	}
	fmt.Fprintf(out, "clean: state sound, audit log of %d events whole\n", report.Tree.N)
	if waiting > 0 {
		fmt.Fprintf(out, "note: events of the last changes wait in the outbox: %d; the next start sees that they are in the log\n", waiting)
	}
	return nil
}

// checkTokenFile reads the file of a token that is sealed to a card, which must be
// there if the state was made with one.
func checkTokenFile(dir string, db store.DB) error {
	path := filepath.Join(dir, rootedFile)
	if _, err := piv.LoadToken(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if made, is := madeSealed(db); is {
		return tokenFileMissing(path, made)
	}
	return nil
}

func damage(err error) error {
	return &failure{err, "restore the data directory from a backup, or ask for help with this output", exitDamaged}
}
