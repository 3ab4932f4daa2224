package server

import (
	"strings"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

func listEntitiesForPolicy(s *Server, _ *call, tx kms.Tx, in *iamapi.ListEntitiesForPolicyRequest) (*iamapi.ListEntitiesForPolicyResponse, error) {
	usage := api.Value(in.PolicyUsageFilter)
	filter := iam.EntityFilter{
		Kind:       strings.ToLower(string(api.Value(in.EntityFilter))), // "User" and so on; no entity is of the other kinds
		PathPrefix: api.Value(in.PathPrefix),
		NoAttached: usage == iamapi.PolicyUsageTypePermissionsBoundary,
		NoBounded:  usage == iamapi.PolicyUsageTypePermissionsPolicy,
	}
	found, next, err := s.IAM.EntitiesForPolicy(tx, *in.PolicyArn, filter, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListEntitiesForPolicyResponse{
		PolicyGroups: []iamapi.PolicyGroup{}, PolicyUsers: []iamapi.PolicyUser{}, PolicyRoles: []iamapi.PolicyRole{},
	}
	for _, e := range found {
		switch e.Kind {
		case iam.KindUser:
			out.PolicyUsers = append(out.PolicyUsers, iamapi.PolicyUser{UserName: &e.Name, UserId: &e.ID})
		case iam.KindGroup:
			out.PolicyGroups = append(out.PolicyGroups, iamapi.PolicyGroup{GroupName: &e.Name, GroupId: &e.ID})
		case iam.KindRole:
			out.PolicyRoles = append(out.PolicyRoles, iamapi.PolicyRole{RoleName: &e.Name, RoleId: &e.ID})
		}
	}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

func contextKeysForCustom(s *Server, _ *call, _ kms.Tx, in *iamapi.GetContextKeysForCustomPolicyRequest) (*iamapi.GetContextKeysForPolicyResponse, error) {
	keys, err := s.IAM.ContextKeys(in.PolicyInputList)
	return &iamapi.GetContextKeysForPolicyResponse{ContextKeyNames: keys}, err
}

func contextKeysForPrincipal(s *Server, _ *call, tx kms.Tx, in *iamapi.GetContextKeysForPrincipalPolicyRequest) (*iamapi.GetContextKeysForPolicyResponse, error) {
	keys, err := s.IAM.ContextKeysOf(tx, *in.PolicySourceArn, in.PolicyInputList)
	return &iamapi.GetContextKeysForPolicyResponse{ContextKeyNames: keys}, err
}
