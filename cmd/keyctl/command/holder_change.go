package command

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// attach gives a holder a managed policy.
func (cl *client) attach(ctx context.Context, h holder, arn string) error {
	return h.pick(func() error {
		_, err := cl.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: &h.user, PolicyArn: &arn})
		return err
	}, func() error {
		_, err := cl.iam.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: &h.group, PolicyArn: &arn})
		return err
	}, func() error {
		_, err := cl.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &h.role, PolicyArn: &arn})
		return err
	})
}

// detach takes a managed policy from a holder.
func (cl *client) detach(ctx context.Context, h holder, arn string) error {
	return h.pick(func() error {
		_, err := cl.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: &h.user, PolicyArn: &arn})
		return err
	}, func() error {
		_, err := cl.iam.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: &h.group, PolicyArn: &arn})
		return err
	}, func() error {
		_, err := cl.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &h.role, PolicyArn: &arn})
		return err
	})
}

// putInline sets a policy that lives and ends with its holder.
func (cl *client) putInline(ctx context.Context, h holder, name, text string) error {
	return h.pick(func() error {
		_, err := cl.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &h.user, PolicyName: &name, PolicyDocument: &text})
		return err
	}, func() error {
		_, err := cl.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: &h.group, PolicyName: &name, PolicyDocument: &text})
		return err
	}, func() error {
		_, err := cl.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &h.role, PolicyName: &name, PolicyDocument: &text})
		return err
	})
}

// deleteInline removes one.
func (cl *client) deleteInline(ctx context.Context, h holder, name string) error {
	return h.pick(func() error {
		_, err := cl.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &h.user, PolicyName: &name})
		return err
	}, func() error {
		_, err := cl.iam.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: &h.group, PolicyName: &name})
		return err
	}, func() error {
		_, err := cl.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &h.role, PolicyName: &name})
		return err
	})
}

// inlineText returns the document of an inline policy.
func (cl *client) inlineText(ctx context.Context, h holder, name string) (string, error) {
	var encoded *string
	err := h.pick(func() error {
		out, err := cl.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &h.user, PolicyName: &name})
		if err == nil {
			encoded = out.PolicyDocument
		}
		return err
	}, func() error {
		out, err := cl.iam.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: &h.group, PolicyName: &name})
		if err == nil {
			encoded = out.PolicyDocument
		}
		return err
	}, func() error {
		out, err := cl.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &h.role, PolicyName: &name})
		if err == nil {
			encoded = out.PolicyDocument
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return document(encoded)
}

// deleteHolder deletes a holder that has nothing any more.
func (cl *client) deleteHolder(ctx context.Context, h holder) error {
	return h.pick(func() error {
		_, err := cl.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: &h.user})
		return err
	}, func() error {
		_, err := cl.iam.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: &h.group})
		return err
	}, func() error {
		_, err := cl.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &h.role})
		return err
	})
}

// strip takes every policy from a holder that is about to be deleted.
func (cl *client) strip(ctx context.Context, h holder) error {
	managed, err := cl.attached(ctx, h)
	if err != nil {
		return err
	}
	for _, p := range managed {
		if err := cl.detach(ctx, h, aws.ToString(p.PolicyArn)); err != nil {
			return err
		}
	}
	inline, err := cl.inline(ctx, h)
	for _, name := range inline {
		if err := cl.deleteInline(ctx, h, name); err != nil {
			return err
		}
	}
	return err
}
