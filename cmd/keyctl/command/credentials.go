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
	noCache bool
}

func newCredentials(c *cli) *cobra.Command {
	o := &credentialsOptions{}
	cmd := &cobra.Command{
		Use:   "credentials --role ROLE",
		Short: "Credentials of a role, for any AWS tool (credential_process)",
		Long: `Credentials of a role in the form that AWS tools read from a credential_process,
so that a profile is the role:

  [profile deploy]
  endpoint_url = https://keyd.example:8443
  credential_process = keyctl credentials --profile me --role deploy

where the profile "me" holds your access key. They are kept in a file that only
you can read, under the user's cache directory, until five minutes before their
end; --no-cache forgets them and asks anew, as after a session was revoked.`,
		Example: "  keyctl credentials --profile me --role deploy",
		Args:    cobra.NoArgs,
		RunE:    c.run(func(ctx context.Context, _ []string) error { return c.roleCredentials(ctx, *o) }),
	}
	cmd.Flags().StringVar(&o.role, "role", "", "the `ROLE` to be, by name or ARN")
	cmd.Flags().BoolVar(&o.noCache, "no-cache", false, "forget what is kept, ask anew, and keep nothing")
	o.flags(cmd)
	must(cmd.MarkFlagRequired("role"))
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
		return usagef("name the profile that has your access key: keyctl credentials --profile NAME --role ROLE",
			"profile %q: its credential_process asks for credentials of that profile", profile)
	}
	return os.Setenv(chainVariable, strings.Join(append(chain, profile), " "))
}

func (c *cli) roleCredentials(ctx context.Context, o credentialsOptions) error {
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
	now := time.Now()
	kept := cacheFor(cl, c.socket, o.assumeOptions, text)
	if o.noCache {
		kept.forget()
	} else if doc, ok := kept.load(now); ok {
		return c.json(doc)
	}
	made, err := cl.assume(ctx, o.assumeOptions, text)
	if err != nil {
		return err
	}
	k := made.Credentials
	doc := processDoc{1, k.AccessKeyID, k.SecretAccessKey, k.SessionToken, k.Expiration}
	if !o.noCache {
		// Credentials that cannot be kept are good all the same.
		_ = kept.save(doc)
	}
	return c.json(doc)
}
