package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// A pair reads from a request the name of a user, group or role and the name or
// ARN of a policy.
type pair[I any] func(*I) (entity, policy string)

// onHolder resolves a change of the policies of a user, group or role. The
// conditions may ask for the entity's permissions boundary.
func onHolder[I any](action, kind string, of pair[I]) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		name, _ := of(in)
		check, err := s.entityCheck(c, tx, action, kind, name)
		if err != nil {
			return nil, err
		}
		boundary, err := s.boundaryOf(c, tx, kind, name)
		return []authz.Check{with(check, boundaryFact(boundary)...)}, err
	}
}

// onAttachment is onHolder for a managed policy, which conditions may ask for too.
func onAttachment[I any](action, kind string, of pair[I]) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		checks, err := onHolder(action, kind, of)(s, c, tx, in)
		if err != nil {
			return nil, err
		}
		_, arn := of(in)
		return []authz.Check{with(checks[0], policyFact(arn))}, nil
	}
}

// boundaryOf is the ARN of an entity's permissions boundary; "" for none.
func (s *Server) boundaryOf(c *call, tx kms.Tx, kind, name string) (arn string, err error) {
	switch kind {
	case iam.KindUser:
		var u *iam.User
		if u, err = s.IAM.User(c.ctx, tx, name); err == nil {
			arn = u.Boundary
		}
	case iam.KindRole:
		var r *iam.Role
		if r, err = s.IAM.Role(c.ctx, tx, name); err == nil {
			arn = r.Boundary
		}
	}
	if isNoSuchEntity(err) {
		err = nil
	}
	return arn, err
}

// holder finds the entity whose policies an operation is about; NoSuchEntity if
// there is none.
func (s *Server) holder(c *call, tx kms.Tx, kind, name string) (iam.Holder, error) {
	var err error
	switch kind {
	case iam.KindUser:
		_, err = s.IAM.User(c.ctx, tx, name)
	case iam.KindGroup:
		_, err = s.IAM.Group(c.ctx, tx, name)
	default:
		_, err = s.IAM.Role(c.ctx, tx, name)
	}
	return iam.Holder{Kind: kind, Name: name}, err
}

func attach[I any](kind string, of pair[I]) func(*Server, *call, kms.Tx, *I) (*nothing, error) {
	return func(s *Server, c *call, tx kms.Tx, in *I) (*nothing, error) {
		name, arn := of(in)
		h, err := s.holder(c, tx, kind, name)
		if err != nil {
			return nil, err
		}
		return nil, s.IAM.AttachPolicy(tx, h, arn)
	}
}

func detach[I any](kind string, of pair[I]) func(*Server, *call, kms.Tx, *I) (*nothing, error) {
	return func(s *Server, c *call, tx kms.Tx, in *I) (*nothing, error) {
		name, arn := of(in)
		h, err := s.holder(c, tx, kind, name)
		if err != nil {
			return nil, err
		}
		return nil, s.IAM.DetachPolicy(tx, h, arn)
	}
}

// attached lists the managed policies of an entity.
func (s *Server) attached(c *call, tx kms.Tx, kind, name string, pathPrefix *string, p iam.Page) ([]iamapi.AttachedPolicy, string, error) {
	h, err := s.holder(c, tx, kind, name)
	if err != nil {
		return nil, "", err
	}
	found, next, err := s.IAM.Attached(tx, h, api.Value(pathPrefix), p)
	return each(found, attachedToWire), next, err
}

func attachedToWire(a iam.AttachedPolicy) *iamapi.AttachedPolicy {
	return &iamapi.AttachedPolicy{PolicyName: &a.Name, PolicyArn: &a.ARN}
}

func listAttachedUser(s *Server, c *call, tx kms.Tx, in *iamapi.ListAttachedUserPoliciesRequest) (*iamapi.ListAttachedUserPoliciesResponse, error) {
	found, next, err := s.attached(c, tx, iam.KindUser, *in.UserName, in.PathPrefix, iamPage(in.Marker, in.MaxItems))
	out := &iamapi.ListAttachedUserPoliciesResponse{AttachedPolicies: found}
	out.IsTruncated, out.Marker = more(next)
	return out, err
}

func listAttachedGroup(s *Server, c *call, tx kms.Tx, in *iamapi.ListAttachedGroupPoliciesRequest) (*iamapi.ListAttachedGroupPoliciesResponse, error) {
	found, next, err := s.attached(c, tx, iam.KindGroup, *in.GroupName, in.PathPrefix, iamPage(in.Marker, in.MaxItems))
	out := &iamapi.ListAttachedGroupPoliciesResponse{AttachedPolicies: found}
	out.IsTruncated, out.Marker = more(next)
	return out, err
}

func listAttachedRole(s *Server, c *call, tx kms.Tx, in *iamapi.ListAttachedRolePoliciesRequest) (*iamapi.ListAttachedRolePoliciesResponse, error) {
	found, next, err := s.attached(c, tx, iam.KindRole, *in.RoleName, in.PathPrefix, iamPage(in.Marker, in.MaxItems))
	out := &iamapi.ListAttachedRolePoliciesResponse{AttachedPolicies: found}
	out.IsTruncated, out.Marker = more(next)
	return out, err
}
