package command

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
)

type reportUnusedOptions struct {
	days int
	now  time.Time
}

func newReportUnused(c *cli) *cobra.Command {
	o := &reportUnusedOptions{}
	cmd := &cobra.Command{
		Use:   "unused",
		Short: "Users, access keys and roles that nobody has used lately",
		Long: `Users, access keys and roles that nobody has used for some days. What is younger
than that is left out. A user is used when one of its access keys is.`,
		Example: "  keyctl report unused --days 90\n  keyctl report unused -o json | jq -r '.Unused[] | select(.Kind == \"access key\") | .Name'",
		Args:    cobra.NoArgs,
		RunE: c.run(func(ctx context.Context, _ []string) error {
			o.now = time.Now()
			return c.reportUnused(ctx, *o)
		}),
	}
	cmd.Flags().IntVar(&o.days, "days", 90, "for how many `DAYS`; 0 is everything never used or used before now")
	return cmd
}

// unusedDoc is one thing that was not used.
type unusedDoc struct {
	Kind         string // user, access key or role
	Name         string
	UserName     string `json:",omitempty"`
	Status       string `json:",omitempty"`
	CreateDate   time.Time
	LastUsedDate *time.Time `json:",omitempty"`
}

// unusedListDoc is the JSON of report unused.
type unusedListDoc struct {
	Days   int
	Unused []unusedDoc
}

func (c *cli) reportUnused(ctx context.Context, o reportUnusedOptions) error {
	if o.days < 0 || o.days > 36500 {
		return usagef("", "--days %d: must be 0 to 36500", o.days)
	}
	cl, err := c.connect(ctx)
	if err != nil {
		return err
	}
	users, err := cl.usesOfUsers(ctx)
	if err != nil {
		return err
	}
	roles, err := cl.usesOfRoles(ctx)
	if err != nil {
		return err
	}
	since := o.now.AddDate(0, 0, -o.days)
	list := unusedListDoc{Days: o.days, Unused: []unusedDoc{}}
	t := term.NewTable("KIND", "NAME", "USER", "STATUS", "CREATED", "LAST USED")
	for _, u := range append(users, roles...) {
		if u.CreateDate.After(since) || (u.LastUsedDate != nil && u.LastUsedDate.After(since)) {
			continue
		}
		list.Unused = append(list.Unused, u)
		t.Row(u.Kind, u.Name, orDash(u.UserName), orDash(u.Status), when(u.CreateDate), lastUsed(u.LastUsedDate))
	}
	return c.show(list, t)
}

// usesOfUsers returns every user and access key with its last use.
func (cl *client) usesOfUsers(ctx context.Context) ([]unusedDoc, error) {
	users, err := cl.users(ctx, "")
	if err != nil {
		return nil, err
	}
	var found []unusedDoc
	for _, u := range users {
		name := aws.ToString(u.UserName)
		keys, err := cl.accessKeys(ctx, name)
		if noEntity(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		user := unusedDoc{Kind: "user", Name: name, CreateDate: aws.ToTime(u.CreateDate).UTC()}
		var of []unusedDoc
		for _, k := range keys {
			of = append(of, unusedDoc{"access key", k.AccessKeyID, name, string(k.Status), k.CreateDate, k.LastUsedDate})
			if k.LastUsedDate != nil && (user.LastUsedDate == nil || k.LastUsedDate.After(*user.LastUsedDate)) {
				user.LastUsedDate = k.LastUsedDate
			}
		}
		found = append(append(found, user), of...)
	}
	return found, nil
}

// usesOfRoles returns every role with its last use, which lists do not have.
func (cl *client) usesOfRoles(ctx context.Context) ([]unusedDoc, error) {
	roles, err := cl.roles(ctx)
	if err != nil {
		return nil, err
	}
	var found []unusedDoc
	for _, r := range roles {
		out, err := cl.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: r.RoleName})
		if noEntity(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		doc := unusedDoc{Kind: "role", Name: aws.ToString(r.RoleName), CreateDate: aws.ToTime(r.CreateDate).UTC()}
		if out.Role.RoleLastUsed != nil {
			doc.LastUsedDate = out.Role.RoleLastUsed.LastUsedDate
		}
		found = append(found, doc)
	}
	return found, nil
}
