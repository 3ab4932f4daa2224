package server

import (
	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

func resolveCreateUser(s *Server, _ *call, _ kms.Tx, in *iamapi.CreateUserRequest) ([]authz.Check, error) {
	arn := s.IAM.ARN(iam.KindUser, pathOr(in.Path), api.Value(in.UserName))
	return creation("iam:CreateUser", "iam:TagUser", arn, in.Tags, boundaryFact(api.Value(in.PermissionsBoundary))), nil
}

// creation asks for the right to make something, and to tag it where tags are given.
func creation(create, tag, arn string, tags []iamapi.Tag, facts []authz.Fact) []authz.Check {
	facts = append(facts, requestTags(tags)...)
	checks := []authz.Check{{Action: create, Resource: arn, Facts: facts}}
	if len(tags) > 0 {
		checks = append(checks, authz.Check{Action: tag, Resource: arn, Facts: facts})
	}
	return checks
}

// pathOr is the path of a new entity.
func pathOr(path *string) string {
	if path == nil {
		return "/"
	}
	return *path
}

func createUser(s *Server, _ *call, tx kms.Tx, in *iamapi.CreateUserRequest) (*iamapi.CreateUserResponse, error) {
	u, err := s.IAM.CreateUser(tx, iam.NewUser{
		Name: *in.UserName, Path: api.Value(in.Path), Tags: fromWire(in.Tags), Boundary: api.Value(in.PermissionsBoundary),
	})
	if err != nil {
		return nil, err
	}
	return &iamapi.CreateUserResponse{User: userInFull(u)}, nil
}

// userBrief is a user as lists show it, without tags and boundary.
func userBrief(u *iam.User) *iamapi.User {
	return &iamapi.User{
		Path: &u.Path, UserName: &u.Name, UserId: &u.ID, Arn: new(u.ARN()), CreateDate: api.At(u.Created),
	}
}

func userInFull(u *iam.User) *iamapi.User {
	out := userBrief(u)
	out.PermissionsBoundary = boundaryOf(u.Boundary)
	out.Tags = someTags(u.Tags)
	return out
}

func boundaryOf(arn string) *iamapi.AttachedPermissionsBoundary {
	if arn == "" {
		return nil
	}
	return &iamapi.AttachedPermissionsBoundary{
		PermissionsBoundaryArn:  &arn,
		PermissionsBoundaryType: new(iamapi.PermissionsBoundaryAttachmentType("Policy")),
	}
}

func getUser(s *Server, c *call, tx kms.Tx, in *iamapi.GetUserRequest) (*iamapi.GetUserResponse, error) {
	name, err := s.userOrSelf(c, tx, in.UserName)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return getRoot(s, tx)
	}
	u, err := s.IAM.User(c.ctx, tx, name)
	if err != nil {
		return nil, err
	}
	return &iamapi.GetUserResponse{User: userInFull(u)}, nil
}

// getRoot describes the root user, who has neither name nor path; its age is that
// of its oldest access key.
func getRoot(s *Server, tx kms.Tx) (*iamapi.GetUserResponse, error) {
	keys, _, err := s.IAM.AccessKeys(tx, "", iam.Page{})
	if err != nil {
		return nil, err
	}
	root := iam.Root(s.Account)
	u := &iamapi.User{UserId: &root.ID, Arn: &root.ARN}
	for _, k := range keys {
		if at := api.At(k.Created); u.CreateDate == nil || at.Before(u.CreateDate.Time) {
			u.CreateDate = at
		}
	}
	return &iamapi.GetUserResponse{User: u}, nil
}

// resolveUpdateUser asks for the right on the user as it is, and as it will be.
func resolveUpdateUser(s *Server, c *call, tx kms.Tx, in *iamapi.UpdateUserRequest) ([]authz.Check, error) {
	name, path := api.Value(in.UserName), "/"
	check, err := s.entityCheck(c, tx, "iam:UpdateUser", iam.KindUser, name)
	if err != nil {
		return nil, err
	}
	if u, err := s.IAM.User(c.ctx, tx, name); err == nil {
		name, path = u.Name, u.Path
	}
	return []authz.Check{check, renamed(s, check, iam.KindUser, name, path, in.NewUserName, in.NewPath)}, nil
}

// renamed is a check on the ARN that an entity is about to have.
func renamed(s *Server, check authz.Check, kind, name, path string, newName, newPath *string) authz.Check {
	if newName != nil {
		name = *newName
	}
	if newPath != nil {
		path = *newPath
	}
	check.Resource = s.IAM.ARN(kind, path, name)
	return check
}

func updateUser(s *Server, _ *call, tx kms.Tx, in *iamapi.UpdateUserRequest) (*nothing, error) {
	return nil, s.IAM.UpdateUser(tx, *in.UserName, iam.Rename{Name: api.Value(in.NewUserName), Path: api.Value(in.NewPath)})
}

func deleteUser(s *Server, c *call, tx kms.Tx, in *iamapi.DeleteUserRequest) (*nothing, error) {
	u, err := s.IAM.User(c.ctx, tx, *in.UserName)
	if err != nil {
		return nil, err
	}
	if err := s.IAM.DeleteUser(tx, u.Name); err != nil {
		return nil, err
	}
	return nil, s.MFA.Gone(tx, u.ID)
}

func listUsers(s *Server, _ *call, tx kms.Tx, in *iamapi.ListUsersRequest) (*iamapi.ListUsersResponse, error) {
	users, next, err := s.IAM.ListUsers(tx, api.Value(in.PathPrefix), iamPage(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	out := &iamapi.ListUsersResponse{Users: each(users, userBrief)}
	out.IsTruncated, out.Marker = more(next)
	return out, nil
}

// each puts the items of a list into their wire form.
func each[T, W any](items []T, wire func(T) *W) []W {
	out := make([]W, len(items))
	for i, it := range items {
		out[i] = *wire(it)
	}
	return out
}
