package server

import (
	"errors"
	"net/http"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// onPolicy resolves an operation on the managed policy that a request names. As
// for entities, what is not there is answered once the gate has allowed it.
func onPolicy[I any](action string, arn func(*I) *string) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		name := api.Value(arn(in))
		p, err := s.IAM.Policy(c.ctx, tx, name)
		if refusal := (*iam.Error)(nil); errors.As(err, &refusal) {
			return []authz.Check{policyCheck(action, name, nil)}, nil
		}
		if err != nil {
			return nil, err
		}
		return []authz.Check{policyCheck(action, p.ARN(), p.Tags)}, nil
	}
}

// changing makes a change of the managed policy that a request names. A shipped
// one is refused as AWS refuses it to everybody.
func changing[I any](action string, arn func(*I) *string, apply func(*Server, kms.Tx, string, *I) error) func(*Server, *call, kms.Tx, *I) (*nothing, error) {
	return func(s *Server, c *call, tx kms.Tx, in *I) (*nothing, error) {
		return nil, ofShipped(c, action, *arn(in), apply(s, tx, *arn(in), in))
	}
}

func ofShipped(c *call, action, arn string, err error) error {
	if !errors.Is(err, iam.ErrShipped) {
		return err
	}
	return &iam.Error{Code: "AccessDenied", Status: http.StatusForbidden,
		Message: "User: " + c.caller.ARN + " is not authorized to perform: " + action + " on resource: policy " + arn}
}

func resolveCreatePolicy(s *Server, _ *call, _ kms.Tx, in *iamapi.CreatePolicyRequest) ([]authz.Check, error) {
	arn := s.IAM.ARN("policy", pathOr(in.Path), api.Value(in.PolicyName))
	return creation("iam:CreatePolicy", "iam:TagPolicy", arn, in.Tags, nil), nil
}

func createPolicy(s *Server, _ *call, tx kms.Tx, in *iamapi.CreatePolicyRequest) (*iamapi.CreatePolicyResponse, error) {
	p, err := s.IAM.CreatePolicy(tx, iam.NewPolicy{
		Name: *in.PolicyName, Path: api.Value(in.Path), Description: api.Value(in.Description),
		Document: *in.PolicyDocument, Tags: fromWire(in.Tags),
	})
	if err != nil {
		return nil, err
	}
	out := policyBrief(tx, p)
	out.Tags = someTags(p.Tags)
	return &iamapi.CreatePolicyResponse{Policy: out}, nil
}

// policyBrief is a managed policy as lists show it, without description and tags.
func policyBrief(tx kms.Tx, p *iam.ManagedPolicy) *iamapi.Policy {
	attached, bounding := p.Used(tx)
	return &iamapi.Policy{
		PolicyName: &p.Name, PolicyId: &p.ID, Arn: new(p.ARN()), Path: &p.Path, DefaultVersionId: &p.Default,
		AttachmentCount: new(int32(attached)), PermissionsBoundaryUsageCount: new(int32(bounding)),
		IsAttachable: new(true), CreateDate: api.At(p.Created), UpdateDate: api.At(p.Updated),
	}
}

func getPolicy(s *Server, c *call, tx kms.Tx, in *iamapi.GetPolicyRequest) (*iamapi.GetPolicyResponse, error) {
	p, err := s.IAM.Policy(c.ctx, tx, *in.PolicyArn)
	if err != nil {
		return nil, err
	}
	out := policyBrief(tx, p)
	out.Tags = toWire(iam.Tags(p.Tags))
	if p.Description != "" {
		out.Description = &p.Description
	}
	return &iamapi.GetPolicyResponse{Policy: out}, nil
}

func deletePolicy(s *Server, tx kms.Tx, arn string, _ *iamapi.DeletePolicyRequest) error {
	return s.IAM.DeletePolicy(tx, arn)
}

func listPolicies(s *Server, _ *call, tx kms.Tx, in *iamapi.ListPoliciesRequest) (*iamapi.ListPoliciesResponse, error) {
	scope, usage := api.Value(in.Scope), api.Value(in.PolicyUsageFilter)
	found, next, err := s.IAM.ListPolicies(tx, iam.PolicyFilter{
		NoLocal:    scope == iamapi.PolicyScopeTypeAws,
		NoShipped:  scope == iamapi.PolicyScopeTypeLocal,
		PathPrefix: api.Value(in.PathPrefix),
		Attached:   usage == iamapi.PolicyUsageTypePermissionsPolicy || usage == "" && api.Value(in.OnlyAttached),
		Bounding:   usage == iamapi.PolicyUsageTypePermissionsBoundary,
	}, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListPoliciesResponse{
		Policies: each(found, func(p *iam.ManagedPolicy) *iamapi.Policy { return policyBrief(tx, p) }),
	}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}
