package command

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/policy"
)

// assumeOptions say which role to assume, and how.
type assumeOptions struct {
	role, sessionName, externalID, policy string
	duration                              time.Duration
	tags                                  pairs
}

func (o *assumeOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.sessionName, "session-name", "", "`NAME` of the session in the audit log (default: your login name)")
	f.DurationVar(&o.duration, "duration", 0, "how long the session lasts, 15m to what the role allows (default 1h)")
	f.StringVar(&o.externalID, "external-id", "", "the `ID` that the trust policy asks for")
	f.StringVar(&o.policy, "policy", "", "`FILE` with a session policy, which narrows what the role may do")
	f.Var(&o.tags, "tag", "a session tag; may be repeated")
}

const exportsHelp = `The answer is export lines for a shell: eval "$(keyctl …)". With -o json it is
what STS answers.`

func newAssumeRole(c *cli) *cobra.Command {
	o := &assumeOptions{}
	cmd := &cobra.Command{
		Use:   "assume-role ROLE",
		Short: "Become a role for a time",
		Long:  "Become a role for a time. ROLE is a name in your account, or an ARN.\n\n" + exportsHelp,
		Example: `  eval "$(keyctl assume-role deploy --duration 30m)"
  keyctl assume-role arn:aws:iam::111122223333:role/deploy --tag ticket=7 -o json`,
		Args: cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.role = args[0]
			return c.assumeRole(ctx, *o)
		}),
	}
	o.flags(cmd)
	return cmd
}

// credentialsDoc is the JSON of assume-role and session: what STS answers.
type credentialsDoc struct {
	Credentials     credentialDoc
	AssumedRoleUser *assumedDoc `json:",omitempty"`
}

type credentialDoc struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

type assumedDoc struct {
	AssumedRoleID string `json:"AssumedRoleId"`
	ARN           string `json:"Arn"`
}

func newCredentialDoc(c *types.Credentials) credentialDoc {
	return credentialDoc{aws.ToString(c.AccessKeyId), aws.ToString(c.SecretAccessKey), aws.ToString(c.SessionToken), aws.ToTime(c.Expiration).UTC()}
}

func (c *cli) assumeRole(ctx context.Context, o assumeOptions) error {
	text, err := c.sessionPolicy(o)
	if err != nil {
		return err
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	doc, err := cl.assume(ctx, o, text)
	if err != nil {
		return err
	}
	return c.showCredentials(doc)
}

// sessionPolicy reads --policy; nil if there is none.
func (c *cli) sessionPolicy(o assumeOptions) (*string, error) {
	if o.policy == "" {
		return nil, nil
	}
	text, err := c.readDocument(o.policy, policy.Session)
	return &text, err
}

func (cl *client) assume(ctx context.Context, o assumeOptions, sessionPolicy *string) (credentialsDoc, error) {
	duration, err := durationSeconds("--duration", o.duration)
	if err != nil {
		return credentialsDoc{}, err
	}
	arn, err := cl.roleARN(ctx, o.role)
	if err != nil {
		return credentialsDoc{}, err
	}
	name := o.sessionName
	if name == "" {
		name = loginName()
	}
	out, err := cl.sts.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: &arn, RoleSessionName: &name, DurationSeconds: duration,
		ExternalId: optional(o.externalID), Policy: sessionPolicy, Tags: sessionTags(o.tags),
	})
	if err != nil {
		return credentialsDoc{}, err
	}
	return credentialsDoc{newCredentialDoc(out.Credentials),
		&assumedDoc{aws.ToString(out.AssumedRoleUser.AssumedRoleId), aws.ToString(out.AssumedRoleUser.Arn)}}, nil
}

func sessionTags(p pairs) []types.Tag {
	var tags []types.Tag
	for _, t := range iamTags(p) {
		tags = append(tags, types.Tag{Key: t.Key, Value: t.Value})
	}
	return tags
}

// notInSessionName is what STS does not take in the name of a session.
var notInSessionName = regexp.MustCompile(`[^A-Za-z0-9_+=,.@-]`)

// loginName names a session after the person at the keyboard: it says in the
// audit log who assumed the role, and proves nothing.
func loginName() string {
	names := []string{os.Getenv("LOGNAME"), os.Getenv("USER")}
	i := slices.IndexFunc(names, func(name string) bool { return len(name) >= 2 && len(name) <= 64 })
	if i < 0 {
		return "keyctl"
	}
	return notInSessionName.ReplaceAllString(names[i], "-")
}

// showCredentials prints them for a shell, or as JSON.
func (c *cli) showCredentials(doc credentialsDoc) error {
	if c.format == outputJSON {
		return c.json(doc)
	}
	var b strings.Builder
	for _, v := range [][2]string{
		{"AWS_ACCESS_KEY_ID", doc.Credentials.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", doc.Credentials.SecretAccessKey},
		{"AWS_SESSION_TOKEN", doc.Credentials.SessionToken},
		{expirationVariable, doc.Credentials.Expiration.Format(time.RFC3339)},
	} {
		fmt.Fprintf(&b, "export %s='%s'\n", v[0], strings.ReplaceAll(v[1], "'", `'\''`))
	}
	return c.put("", raw, []byte(b.String()))
}
