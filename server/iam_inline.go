package server

import (
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

func putInline[I any](kind string, of pair[I], document func(*I) *string) func(*Server, *call, kms.Tx, *I) (*nothing, error) {
	return func(s *Server, c *call, tx kms.Tx, in *I) (*nothing, error) {
		name, policy := of(in)
		h, err := s.holder(c, tx, kind, name)
		if err != nil {
			return nil, err
		}
		return nil, s.IAM.PutInlinePolicy(tx, h, policy, *document(in))
	}
}

func deleteInline[I any](kind string, of pair[I]) func(*Server, *call, kms.Tx, *I) (*nothing, error) {
	return func(s *Server, c *call, tx kms.Tx, in *I) (*nothing, error) {
		name, policy := of(in)
		h, err := s.holder(c, tx, kind, name)
		if err != nil {
			return nil, err
		}
		return nil, s.IAM.DeleteInlinePolicy(tx, h, policy)
	}
}

func getInline[I, O any](kind string, of pair[I], answer func(in *I, name, document *string) *O) func(*Server, *call, kms.Tx, *I) (*O, error) {
	return func(s *Server, c *call, tx kms.Tx, in *I) (*O, error) {
		name, policy := of(in)
		h, err := s.holder(c, tx, kind, name)
		if err != nil {
			return nil, err
		}
		p, err := s.IAM.InlinePolicy(tx, h, policy)
		if err != nil {
			return nil, err
		}
		return answer(in, &p.Name, escapedDocument(p.Document)), nil
	}
}

func userPolicy(in *iamapi.GetUserPolicyRequest, name, document *string) *iamapi.GetUserPolicyResponse {
	return &iamapi.GetUserPolicyResponse{UserName: in.UserName, PolicyName: name, PolicyDocument: document}
}

func groupPolicy(in *iamapi.GetGroupPolicyRequest, name, document *string) *iamapi.GetGroupPolicyResponse {
	return &iamapi.GetGroupPolicyResponse{GroupName: in.GroupName, PolicyName: name, PolicyDocument: document}
}

func rolePolicy(in *iamapi.GetRolePolicyRequest, name, document *string) *iamapi.GetRolePolicyResponse {
	return &iamapi.GetRolePolicyResponse{RoleName: in.RoleName, PolicyName: name, PolicyDocument: document}
}

// inline lists the names of an entity's inline policies.
func (s *Server) inline(c *call, tx kms.Tx, kind, name string, p iam.Page) ([]string, string, error) {
	h, err := s.holder(c, tx, kind, name)
	if err != nil {
		return nil, "", err
	}
	return s.IAM.InlinePolicies(tx, h, p)
}

func listInlineUser(s *Server, c *call, tx kms.Tx, in *iamapi.ListUserPoliciesRequest) (*iamapi.ListUserPoliciesResponse, error) {
	found, next, err := s.inline(c, tx, iam.KindUser, *in.UserName, iamPage(in.Marker, in.MaxItems))
	out := &iamapi.ListUserPoliciesResponse{PolicyNames: found}
	out.IsTruncated, out.Marker = more(next)
	return out, err
}

func listInlineGroup(s *Server, c *call, tx kms.Tx, in *iamapi.ListGroupPoliciesRequest) (*iamapi.ListGroupPoliciesResponse, error) {
	found, next, err := s.inline(c, tx, iam.KindGroup, *in.GroupName, iamPage(in.Marker, in.MaxItems))
	out := &iamapi.ListGroupPoliciesResponse{PolicyNames: found}
	out.IsTruncated, out.Marker = more(next)
	return out, err
}

func listInlineRole(s *Server, c *call, tx kms.Tx, in *iamapi.ListRolePoliciesRequest) (*iamapi.ListRolePoliciesResponse, error) {
	found, next, err := s.inline(c, tx, iam.KindRole, *in.RoleName, iamPage(in.Marker, in.MaxItems))
	out := &iamapi.ListRolePoliciesResponse{PolicyNames: found}
	out.IsTruncated, out.Marker = more(next)
	return out, err
}
