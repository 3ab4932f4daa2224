package command

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

type credentialsOptions struct {
	assumeOptions
	mfa     loginOptions
	noCache bool
}

func newCredentials(c *cli) *cobra.Command {
	o := &credentialsOptions{}
	cmd := &cobra.Command{
		Use:   "credentials [--mfa piv|totp|hotp] [--role ROLE]",
		Short: "Credentials for any AWS tool (credential_process): of a role, or with MFA",
		Long: `Credentials in the form that AWS tools read from a credential_process: of a role, so
that a profile is the role; of you with MFA, as "keyctl login" makes them; or of a
role that you assume with MFA:

  [profile deploy]
  endpoint_url = https://keyd.example:8443
  credential_process = keyctl credentials --profile me --role deploy

  [profile work]
  endpoint_url = https://keyd.example:8443
  credential_process = keyctl credentials --profile me --mfa piv

where the profile "me" holds your access key. With --mfa they ask for a touch and a
PIN, or for a code, on the terminal (/dev/tty) when none are kept. With neither flag
they are those that login has kept. With --device or --duration, only those that
were made with the same are used.

They are kept in a file that only you can read, under the user's cache directory,
until five minutes before their end; --no-cache forgets them and asks anew, as after
a session was revoked.`,
		Example: "  keyctl credentials --profile me --role deploy\n  keyctl credentials --profile me --mfa piv",
		Args:    cobra.NoArgs,
		RunE:    c.run(func(ctx context.Context, _ []string) error { return c.processCredentials(ctx, *o) }),
	}
	cmd.Flags().StringVar(&o.role, "role", "", "the `ROLE` to be, by name or ARN")
	cmd.Flags().BoolVar(&o.noCache, "no-cache", false, "forget what is kept, ask anew, and keep nothing")
	o.assumeOptions.flags(cmd)
	o.mfa.flags(cmd)
	return cmd
}

// processDoc is what a credential_process answers.
type processDoc struct {
	Version         int
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

// chainVariable tells a credential_process which profiles led to it.
const chainVariable = "KEYCTL_CREDENTIALS_CHAIN"

// enterChain refuses a profile whose credential_process needs that profile
// itself: it would start programs for ever.
func (c *cli) enterChain() error {
	profile := cmp.Or(c.profile, os.Getenv("AWS_PROFILE"), "default")
	chain := strings.Fields(os.Getenv(chainVariable))
	if slices.Contains(chain, profile) {
		return usagef("name the profile that has your access key: keyctl credentials --profile NAME …",
			"profile %q: its credential_process asks for credentials of that profile", profile)
	}
	return os.Setenv(chainVariable, strings.Join(append(chain, profile), " "))
}

func (c *cli) processCredentials(ctx context.Context, o credentialsOptions) error {
	if err := c.enterChain(); err != nil {
		return err
	}
	text, err := c.sessionPolicy(o.assumeOptions)
	if err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	var doc processDoc
	switch {
	case o.role != "":
		doc, err = c.roleCredentials(ctx, cl, o, text)
	case o.mfa.method != "":
		o.mfa.duration = o.duration
		doc, err = c.mfaCredentials(ctx, cl, o)
	default:
		doc, err = c.loginCredentials(cl)
	}
	if err != nil {
		return err
	}
	return c.json(doc)
}

// roleCredentials are those kept of a role, or new ones.
func (c *cli) roleCredentials(ctx context.Context, cl *client, o credentialsOptions, text *string) (processDoc, error) {
	kept := cacheFor(cl, o, text)
	return kept.orMake(o.noCache, func() (processDoc, error) {
		as := cl
		if o.mfa.method != "" {
			session, err := c.mfaCredentials(ctx, cl, o)
			if err != nil {
				return processDoc{}, err
			}
			if as, err = cl.as(ctx, c, session); err != nil {
				return processDoc{}, err
			}
		}
		made, err := as.assume(ctx, o.assumeOptions, text)
		k := made.Credentials
		return processDoc{1, k.AccessKeyID, k.SecretAccessKey, k.SessionToken, k.Expiration}, err
	})
}

// mfaCredentials are those that a login has kept, or of a new one. Programs that
// ask at the same time wait for one touch.
func (c *cli) mfaCredentials(ctx context.Context, cl *client, o credentialsOptions) (processDoc, error) {
	kept := newLoginCache(cl, o.mfa)
	defer kept.lock()()
	if o.noCache {
		kept.forget()
	} else if doc, ok := kept.load(time.Now()); ok {
		return doc, nil
	}
	return kept.own().orMake(o.noCache, func() (processDoc, error) { return c.mfaSession(ctx, cl, o.mfa) })
}

// loginCredentials are those that some login has kept.
func (c *cli) loginCredentials(cl *client) (processDoc, error) {
	for _, method := range loginMethods {
		if doc, ok := newLoginCache(cl, loginOptions{method: method}).load(time.Now()); ok {
			return doc, nil
		}
	}
	return processDoc{}, failf(exitRefused, "keyctl login --mfa piv (or totp, hotp), with the same --profile; or name a --role", "not logged in")
}
