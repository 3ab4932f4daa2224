package command

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

// expirationVariable is where AWS tools put the end of credentials that they
// export: the credentials themselves do not show it.
const expirationVariable = "AWS_CREDENTIAL_EXPIRATION"

func newWhoami(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "whoami",
		Short:   "Who keyd takes you for",
		Example: "  keyctl whoami\n  keyctl whoami --profile operator -o json",
		Args:    cobra.NoArgs,
		RunE:    c.connected(func(ctx context.Context, cl *client, _ []string) error { return c.whoami(ctx, cl) }),
	}
}

// whoamiDoc is the JSON of whoami.
type whoamiDoc struct {
	UserID      string `json:"UserId"`
	Account     string
	ARN         string `json:"Arn"`
	Kind        string
	AccessKeyID string     `json:"AccessKeyId"`
	Temporary   bool       // the credentials end by themselves
	RoleName    string     `json:",omitempty"`
	SessionName string     `json:",omitempty"`
	Expiration  *time.Time `json:",omitempty"`
}

func (c *cli) whoami(ctx context.Context, cl *client) error {
	out, err := cl.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return err
	}
	doc := whoamiDoc{UserID: aws.ToString(out.UserId), Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn),
		AccessKeyID: cl.credentials.AccessKeyID, Temporary: cl.credentials.SessionToken != ""}
	doc.describe()
	doc.Expiration = expiration(cl.credentials)
	return c.show(doc, doc.table())
}

// describe reads the kind of caller, and of session, from the ARN.
func (d *whoamiDoc) describe() {
	_, name, _ := strings.Cut(d.ARN, "::"+d.Account+":")
	kind, rest, _ := strings.Cut(name, "/")
	switch kind {
	case "root":
		d.Kind = "root of the account"
	case "user":
		d.Kind = "user"
	case "assumed-role":
		d.Kind = "session of a role"
		d.RoleName, d.SessionName, _ = strings.Cut(rest, "/")
	case "federated-user":
		d.Kind, d.SessionName = "federated user", rest
	default:
		d.Kind = kind
	}
}

// expiration is the end of temporary credentials, if whoever gave them said it.
func expiration(k aws.Credentials) *time.Time {
	if k.SessionToken == "" {
		return nil
	}
	if k.CanExpire {
		end := k.Expires.UTC()
		return &end
	}
	if k.SessionToken != os.Getenv("AWS_SESSION_TOKEN") {
		return nil
	}
	end, err := time.Parse(time.RFC3339, os.Getenv(expirationVariable))
	if err != nil {
		return nil
	}
	end = end.UTC()
	return &end
}

func (d whoamiDoc) table() *term.Table {
	t := term.NewTable()
	t.Row("arn", d.ARN)
	t.Row("account", d.Account)
	t.Row("user id", d.UserID)
	t.Row("kind", d.Kind)
	t.Row("access key", d.AccessKeyID)
	if d.RoleName != "" {
		t.Row("role", d.RoleName)
	}
	if d.SessionName != "" {
		t.Row("session", d.SessionName)
	}
	switch {
	case d.Expiration != nil:
		t.Row("expires", when(*d.Expiration))
	case d.Temporary:
		t.Row("expires", "yes, but these credentials do not say when")
	}
	return t
}
