package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

func resolveCreateGroup(s *Server, _ *call, _ kms.Tx, in *iamapi.CreateGroupRequest) ([]authz.Check, error) {
	arn := s.IAM.ARN(iam.KindGroup, pathOr(in.Path), api.Value(in.GroupName))
	return []authz.Check{{Action: "iam:CreateGroup", Resource: arn}}, nil
}

func createGroup(s *Server, _ *call, tx kms.Tx, in *iamapi.CreateGroupRequest) (*iamapi.CreateGroupResponse, error) {
	g, err := s.IAM.CreateGroup(tx, *in.GroupName, api.Value(in.Path))
	if err != nil {
		return nil, err
	}
	return &iamapi.CreateGroupResponse{Group: groupOnWire(g)}, nil
}

func groupOnWire(g *iam.Group) *iamapi.Group {
	return &iamapi.Group{
		Path: &g.Path, GroupName: &g.Name, GroupId: &g.ID, Arn: new(g.ARN()), CreateDate: api.At(g.Created),
	}
}

func getGroup(s *Server, c *call, tx kms.Tx, in *iamapi.GetGroupRequest) (*iamapi.GetGroupResponse, error) {
	g, err := s.IAM.Group(c.ctx, tx, *in.GroupName)
	if err != nil {
		return nil, err
	}
	users, next, err := s.IAM.Members(tx, g.Name, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.GetGroupResponse{Group: groupOnWire(g), Users: each(users, userBrief)}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

// resolveUpdateGroup asks for the right on the group as it is, and as it will be.
func resolveUpdateGroup(s *Server, c *call, tx kms.Tx, in *iamapi.UpdateGroupRequest) ([]authz.Check, error) {
	name, path := api.Value(in.GroupName), "/"
	check, err := s.entityCheck(c, tx, "iam:UpdateGroup", iam.KindGroup, name)
	if err != nil {
		return nil, err
	}
	if g, err := s.IAM.Group(c.ctx, tx, name); err == nil {
		name, path = g.Name, g.Path
	}
	return []authz.Check{check, renamed(s, check, iam.KindGroup, name, path, in.NewGroupName, in.NewPath)}, nil
}

func updateGroup(s *Server, _ *call, tx kms.Tx, in *iamapi.UpdateGroupRequest) (*nothing, error) {
	return nil, s.IAM.UpdateGroup(tx, *in.GroupName, iam.Rename{Name: api.Value(in.NewGroupName), Path: api.Value(in.NewPath)})
}

func deleteGroup(s *Server, _ *call, tx kms.Tx, in *iamapi.DeleteGroupRequest) (*nothing, error) {
	return nil, s.IAM.DeleteGroup(tx, *in.GroupName)
}

func listGroups(s *Server, _ *call, tx kms.Tx, in *iamapi.ListGroupsRequest) (*iamapi.ListGroupsResponse, error) {
	groups, next, err := s.IAM.ListGroups(tx, api.Value(in.PathPrefix), iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListGroupsResponse{Groups: each(groups, groupOnWire)}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

func addUserToGroup(s *Server, _ *call, tx kms.Tx, in *iamapi.AddUserToGroupRequest) (*nothing, error) {
	return nil, s.IAM.AddUser(tx, *in.GroupName, *in.UserName)
}

func removeUserFromGroup(s *Server, _ *call, tx kms.Tx, in *iamapi.RemoveUserFromGroupRequest) (*nothing, error) {
	return nil, s.IAM.RemoveUser(tx, *in.GroupName, *in.UserName)
}

func listGroupsForUser(s *Server, _ *call, tx kms.Tx, in *iamapi.ListGroupsForUserRequest) (*iamapi.ListGroupsForUserResponse, error) {
	groups, next, err := s.IAM.GroupsOf(tx, *in.UserName, iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListGroupsForUserResponse{Groups: each(groups, groupOnWire)}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}
