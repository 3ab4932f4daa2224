package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// onNewBoundary resolves the choice of a permissions boundary: conditions ask for
// the new one.
func onNewBoundary[I any](action, kind string, of pair[I]) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		name, arn := of(in)
		check, err := s.entityCheck(c, tx, action, kind, name)
		return []authz.Check{with(check, boundaryFact(arn)...)}, err
	}
}

// setBoundary gives a user or role the permissions boundary of a request; "" none.
func setBoundary[I any](kind string, of pair[I]) func(*Server, *call, kms.Tx, *I) (*nothing, error) {
	return func(s *Server, c *call, tx kms.Tx, in *I) (*nothing, error) {
		name, arn := of(in)
		if kind == iam.KindUser {
			u, err := s.IAM.User(c.ctx, tx, name)
			if err != nil {
				return nil, err
			}
			return nil, s.IAM.SetUserBoundary(tx, u, arn)
		}
		r, err := s.IAM.Role(c.ctx, tx, name)
		if err != nil {
			return nil, err
		}
		return nil, s.IAM.SetRoleBoundary(tx, r, arn)
	}
}

func userBoundary(in *iamapi.PutUserPermissionsBoundaryRequest) (string, string) {
	return api.Value(in.UserName), api.Value(in.PermissionsBoundary)
}

func noUserBoundary(in *iamapi.DeleteUserPermissionsBoundaryRequest) (string, string) {
	return api.Value(in.UserName), ""
}

func roleBoundary(in *iamapi.PutRolePermissionsBoundaryRequest) (string, string) {
	return api.Value(in.RoleName), api.Value(in.PermissionsBoundary)
}

func noRoleBoundary(in *iamapi.DeleteRolePermissionsBoundaryRequest) (string, string) {
	return api.Value(in.RoleName), ""
}
