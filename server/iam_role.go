package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

func resolveCreateRole(s *Server, _ *call, _ kms.Tx, in *iamapi.CreateRoleRequest) ([]authz.Check, error) {
	arn := s.IAM.ARN(iam.KindRole, pathOr(in.Path), api.Value(in.RoleName))
	return creation("iam:CreateRole", "iam:TagRole", arn, in.Tags, boundaryFact(api.Value(in.PermissionsBoundary))), nil
}

func createRole(s *Server, _ *call, tx kms.Tx, in *iamapi.CreateRoleRequest) (*iamapi.CreateRoleResponse, error) {
	r, err := s.IAM.CreateRole(tx, iam.NewRole{
		Name: *in.RoleName, Path: api.Value(in.Path), Description: api.Value(in.Description),
		Trust: *in.AssumeRolePolicyDocument, MaxSession: int(api.Value(in.MaxSessionDuration)),
		Tags: fromWire(in.Tags), Boundary: api.Value(in.PermissionsBoundary),
	})
	if err != nil {
		return nil, err
	}
	out := roleBare(r, r.Trust)
	out.Tags, out.PermissionsBoundary = someTags(r.Tags), boundaryOf(r.Boundary)
	return &iamapi.CreateRoleResponse{Role: out}, nil
}

// roleBare is what AWS says of a role on every occasion. Others add to it.
func roleBare(r *iam.Role, trust string) *iamapi.Role {
	return &iamapi.Role{
		Path: &r.Path, RoleName: &r.Name, RoleId: &r.ID, Arn: new(r.ARN()), CreateDate: api.At(r.Created),
		AssumeRolePolicyDocument: escapedDocument(trust),
	}
}

// roleBrief is a role as lists show it: without tags, boundary and last use.
func (s *Server) roleBrief(tx kms.Tx, r *iam.Role) (*iamapi.Role, error) {
	trust, err := s.IAM.TrustPolicy(tx, r)
	if err != nil {
		return nil, err
	}
	out := roleBare(r, trust)
	out.MaxSessionDuration = new(int32(r.MaxSession))
	if r.Description != "" {
		out.Description = &r.Description
	}
	return out, nil
}

func getRole(s *Server, c *call, tx kms.Tx, in *iamapi.GetRoleRequest) (*iamapi.GetRoleResponse, error) {
	r, err := s.IAM.Role(c.ctx, tx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	out, err := s.roleBrief(tx, r)
	if err != nil {
		return nil, err
	}
	use, err := s.IAM.LastUse(tx, r.ID)
	if err != nil {
		return nil, err
	}
	out.RoleLastUsed = new(iamapi.RoleLastUsed)
	if !use.At.IsZero() {
		out.RoleLastUsed.LastUsedDate, out.RoleLastUsed.Region = api.At(use.At), &use.Region
	}
	out.Tags, out.PermissionsBoundary = someTags(r.Tags), boundaryOf(r.Boundary)
	return &iamapi.GetRoleResponse{Role: out}, nil
}

func updateRole(s *Server, _ *call, tx kms.Tx, in *iamapi.UpdateRoleRequest) (*iamapi.UpdateRoleResponse, error) {
	_, err := s.IAM.UpdateRole(tx, *in.RoleName, iam.RoleUpdate{
		Description: in.Description, MaxSession: int(api.Value(in.MaxSessionDuration)),
	})
	return new(iamapi.UpdateRoleResponse), err
}

func updateRoleDescription(s *Server, _ *call, tx kms.Tx, in *iamapi.UpdateRoleDescriptionRequest) (*iamapi.UpdateRoleDescriptionResponse, error) {
	r, err := s.IAM.UpdateRole(tx, *in.RoleName, iam.RoleUpdate{Description: in.Description})
	if err != nil {
		return nil, err
	}
	out, err := s.roleBrief(tx, r)
	if err != nil {
		return nil, err
	}
	out.MaxSessionDuration = nil // AWS leaves it out here
	return &iamapi.UpdateRoleDescriptionResponse{Role: out}, nil
}

func updateAssumeRolePolicy(s *Server, _ *call, tx kms.Tx, in *iamapi.UpdateAssumeRolePolicyRequest) (*nothing, error) {
	return nil, s.IAM.UpdateTrust(tx, *in.RoleName, *in.PolicyDocument)
}

func deleteRole(s *Server, _ *call, tx kms.Tx, in *iamapi.DeleteRoleRequest) (*nothing, error) {
	return nil, s.IAM.DeleteRole(tx, *in.RoleName)
}

func listRoles(s *Server, _ *call, tx kms.Tx, in *iamapi.ListRolesRequest) (*iamapi.ListRolesResponse, error) {
	roles, next, err := s.IAM.ListRoles(tx, api.Value(in.PathPrefix), iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListRolesResponse{Roles: make([]iamapi.Role, len(roles))}
	for i, r := range roles {
		brief, err := s.roleBrief(tx, r)
		if err != nil {
			return nil, err
		}
		out.Roles[i] = *brief
	}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

func tagRole(s *Server, _ *call, tx kms.Tx, in *iamapi.TagRoleRequest) (*nothing, error) {
	return nil, s.IAM.TagRole(tx, *in.RoleName, fromWire(in.Tags))
}

func untagRole(s *Server, _ *call, tx kms.Tx, in *iamapi.UntagRoleRequest) (*nothing, error) {
	return nil, s.IAM.UntagRole(tx, *in.RoleName, in.TagKeys)
}

func listRoleTags(s *Server, c *call, tx kms.Tx, in *iamapi.ListRoleTagsRequest) (*iamapi.ListRoleTagsResponse, error) {
	r, err := s.IAM.Role(c.ctx, tx, *in.RoleName)
	if err != nil {
		return nil, err
	}
	tags, next, err := iam.PageOfTags(r.ARN(), r.Tags, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListRoleTagsResponse{Tags: toWire(tags)}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}
