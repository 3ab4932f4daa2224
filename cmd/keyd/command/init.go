package command

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/hsm/piv"
	"github.com/keyd-hsm/keyd/hsm/pkcs11"
	"github.com/keyd-hsm/keyd/iam"
)

type initOptions struct {
	config  configFlags
	account string
	piv     pivFlags
	in      io.Reader
	out     io.Writer
	errOut  io.Writer
}

func newInit() *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the state of a new appliance",
		Long: `Make the state of a new appliance in the data directory: a domain key in the
token, the audit log, and the root user's access key, whose secret is shown
once and never again. A directory that has an appliance is refused.

With --token piv:serial=NUMBER;slot=9d the token is keyd's own, in memory, and
sealed to a key on a YubiKey, which is made there. It is not a full HSM: the README
says what differs. Whoever loses the card, and has no --piv-spare, loses all keys.`,
		Example: `  keyd init --config /etc/keyd.yaml --account 111122223333
  keyd init --data-dir /var/lib/keyd --token 'piv:serial=12345678;slot=9d' \
    --piv-spare 'piv:serial=87654321;slot=9d'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.in, o.out, o.errOut = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			return runInit(cmd.Context(), o)
		},
	}
	o.config.bind(cmd)
	o.piv.bind(cmd.Flags())
	cmd.Flags().StringVar(&o.account, "account", "", "12 digits that stand in every ARN (default random)")
	return cmd
}

// bind makes the flags that init and serve share.
func (f *configFlags) bind(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.file, "config", "", "configuration file (KEYD_CONFIG)")
	fs.StringVar(&f.dataDir, "data-dir", "", "over data_dir (KEYD_DATA_DIR)")
	fs.StringVar(&f.module, "module", "", "over token.module (KEYD_TOKEN_MODULE)")
	fs.StringVar(&f.token, "token", "", "over token.uri (KEYD_TOKEN_URI)")
	fs.StringVar(&f.pinFile, "pin-file", "", "over token.pin_file (KEYD_PIN_FILE)")
	fs.StringVar(&f.logLevel, "log-level", "", "over log_level (KEYD_LOG_LEVEL)")
}

var accountDigits = regexp.MustCompile(`^[0-9]{12}$`)

func checkAccount(account string) error {
	if !accountDigits.MatchString(account) {
		return usage(fmt.Errorf("account %q: want 12 digits", account), "as in --account 111122223333")
	}
	return nil
}

func runInit(ctx context.Context, o initOptions) error {
	c, err := loadConfig(o.config, os.Getenv)
	if err != nil {
		return err
	}
	if o.account == "" {
		n, err := rand.Int(rand.Reader, big.NewInt(900_000_000_000))
		if err != nil {
			return err
		}
		o.account = n.Add(n, big.NewInt(100_000_000_000)).String()
	}
	if err := checkAccount(o.account); err != nil {
		return err
	}
	if err := harden(); err != nil {
		return err
	}
	lock, err := lockData(c.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	token, keys, err := o.token(ctx, c)
	if errors.Is(err, errAppliance) {
		return appliancePresent(c.DataDir, err)
	}
	if err != nil {
		return err
	}
	defer token.Close()
	credentials := iam.NewCredentials()
	err = found(ctx, founding{dir: c.DataDir, account: o.account, credentials: credentials, token: token, clock: time.Now})
	if errors.Is(err, errAppliance) {
		return appliancePresent(c.DataDir, err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, `Appliance made in %s on token %s.

Account            %s
Access key id      %s
Secret access key  %s

The secret is shown this once. Next: keyd serve
`, c.DataDir, token.Info(), o.account, credentials.ID, string(credentials.Secret))
	for _, k := range keys {
		fmt.Fprintf(o.out, "\nThe token is sealed to %v. Without it the keys of this appliance are lost.\n", k)
	}
	return nil
}

func appliancePresent(dir string, err error) error {
	return hinted(fmt.Errorf("data directory %s: %w", dir, err), "nothing was changed; keyd serve runs it")
}

// token opens the token of the configuration, or makes the one that is sealed to
// those keys on cards.
func (o initOptions) token(ctx context.Context, c Config) (hsm.Token, []piv.CardKey, error) {
	u, is, err := c.Token.piv()
	if err != nil {
		return nil, nil, usage(err, "docs/keyd.yaml lists every field")
	}
	if !is {
		token, err := openToken(ctx, c.Token, o.in, o.errOut)
		return token, nil, err
	}
	// Before a card is asked to do anything.
	if err := clearUnfinished(c.DataDir); err != nil {
		return nil, nil, err
	}
	return createPIVToken(ctx, c.DataDir, u, c.Token.MaxHandles, &sealing{flags: o.piv, in: o.in, out: o.errOut})
}

// openToken logs in to the token of the configuration.
func openToken(ctx context.Context, t TokenConfig, in io.Reader, out io.Writer) (hsm.Token, error) {
	uri, err := t.uri()
	if err != nil {
		return nil, usage(err, "docs/keyd.yaml lists every field")
	}
	pin, err := readPIN(t.PINFile, os.Getenv, in, out)
	if err != nil {
		return nil, err
	}
	token, err := pkcs11.Open(ctx, pkcs11.Config{
		Module: t.Module, Token: uri, PIN: pin, MaxSessions: t.MaxSessions, MaxHandles: t.MaxHandles,
	})
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return token, nil
}
