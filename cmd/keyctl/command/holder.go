package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"
)

// holder is who has policies: exactly one of a user, a group and a role. IAM
// has every operation on policies three times, once for each.
type holder struct {
	user, group, role string
}

// flags gives cmd the three flags, of which one must be used.
func (h *holder) flags(cmd *cobra.Command) {
	h.optionalFlags(cmd)
	cmd.MarkFlagsOneRequired("user", "group", "role")
}

func (h *holder) optionalFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&h.user, "user", "", "the `NAME` of a user")
	f.StringVar(&h.group, "group", "", "the `NAME` of a group")
	f.StringVar(&h.role, "role", "", "the `NAME` of a role")
	cmd.MarkFlagsMutuallyExclusive("user", "group", "role")
}

func (h holder) given() bool { return h != holder{} }

// String is "user alice".
func (h holder) String() string {
	switch {
	case h.user != "":
		return "user " + h.user
	case h.group != "":
		return "group " + h.group
	}
	return "role " + h.role
}

// pick runs the one of three that is for this kind of holder.
func (h holder) pick(user, group, role func() error) error {
	switch {
	case h.user != "":
		return user()
	case h.group != "":
		return group()
	}
	return role()
}

// holderDoc is the JSON of a change to who has which policy.
type holderDoc struct {
	UserName   string `json:",omitempty"`
	GroupName  string `json:",omitempty"`
	RoleName   string `json:",omitempty"`
	PolicyARN  string `json:"PolicyArn,omitempty"`
	PolicyName string `json:",omitempty"`
}

func (h holder) doc() holderDoc {
	return holderDoc{UserName: h.user, GroupName: h.group, RoleName: h.role}
}

// attachedDoc is the JSON of a managed policy that somebody has.
type attachedDoc struct {
	PolicyName string
	PolicyARN  string `json:"PolicyArn"`
}

// attached returns the managed policies of a holder.
func (cl *client) attached(ctx context.Context, h holder) (found []types.AttachedPolicy, err error) {
	err = h.pick(func() (err error) {
		found, err = all(ctx, iam.NewListAttachedUserPoliciesPaginator(cl.iam, &iam.ListAttachedUserPoliciesInput{UserName: &h.user}),
			func(o *iam.ListAttachedUserPoliciesOutput) []types.AttachedPolicy { return o.AttachedPolicies })
		return err
	}, func() (err error) {
		found, err = all(ctx, iam.NewListAttachedGroupPoliciesPaginator(cl.iam, &iam.ListAttachedGroupPoliciesInput{GroupName: &h.group}),
			func(o *iam.ListAttachedGroupPoliciesOutput) []types.AttachedPolicy { return o.AttachedPolicies })
		return err
	}, func() (err error) {
		found, err = all(ctx, iam.NewListAttachedRolePoliciesPaginator(cl.iam, &iam.ListAttachedRolePoliciesInput{RoleName: &h.role}),
			func(o *iam.ListAttachedRolePoliciesOutput) []types.AttachedPolicy { return o.AttachedPolicies })
		return err
	})
	return found, err
}

// inline returns the names of a holder's inline policies.
func (cl *client) inline(ctx context.Context, h holder) (found []string, err error) {
	err = h.pick(func() (err error) {
		found, err = all(ctx, iam.NewListUserPoliciesPaginator(cl.iam, &iam.ListUserPoliciesInput{UserName: &h.user}),
			func(o *iam.ListUserPoliciesOutput) []string { return o.PolicyNames })
		return err
	}, func() (err error) {
		found, err = all(ctx, iam.NewListGroupPoliciesPaginator(cl.iam, &iam.ListGroupPoliciesInput{GroupName: &h.group}),
			func(o *iam.ListGroupPoliciesOutput) []string { return o.PolicyNames })
		return err
	}, func() (err error) {
		found, err = all(ctx, iam.NewListRolePoliciesPaginator(cl.iam, &iam.ListRolePoliciesInput{RoleName: &h.role}),
			func(o *iam.ListRolePoliciesOutput) []string { return o.PolicyNames })
		return err
	})
	return found, err
}

// policies returns both kinds, as the JSON of user, group and role show.
func (cl *client) policies(ctx context.Context, h holder) ([]attachedDoc, []string, error) {
	managed, err := cl.attached(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	docs := []attachedDoc{}
	for _, p := range managed {
		docs = append(docs, attachedDoc{aws.ToString(p.PolicyName), aws.ToString(p.PolicyArn)})
	}
	inline, err := cl.inline(ctx, h)
	return docs, inline, err
}
