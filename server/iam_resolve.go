package server

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/api/iamapi"
	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/iam"
	"github.com/keyd-hsm/keyd/kms"
)

// Resolvers of IAM operations authorize on the ARN of what is stored, whatever
// the case of the name in the request. For what is not there they make an ARN of
// the name, and the operation answers NoSuchEntity once the gate has allowed it:
// who may not ask does not learn what exists.

// onUser resolves an operation on the user that a request names.
func onUser[I any](action string, name func(*I) *string) resolver[I] {
	return onEntity(action, iam.KindUser, name)
}

// onGroup is onUser for groups.
func onGroup[I any](action string, name func(*I) *string) resolver[I] {
	return onEntity(action, iam.KindGroup, name)
}

// onRole is onUser for roles.
func onRole[I any](action string, name func(*I) *string) resolver[I] {
	return onEntity(action, iam.KindRole, name)
}

func onEntity[I any](action, kind string, name func(*I) *string) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		check, err := s.entityCheck(c, tx, action, kind, api.Value(name(in)))
		return []authz.Check{check}, err
	}
}

// onUserOrSelf resolves an operation on a user, the caller where none is named.
func onUserOrSelf[I any](action string, name func(*I) *string) resolver[I] {
	return func(s *Server, c *call, tx kms.Tx, in *I) ([]authz.Check, error) {
		user, err := s.userOrSelf(c, tx, name(in))
		if err != nil {
			return nil, err
		}
		if user == "" {
			return []authz.Check{{Action: action, Resource: iam.Root(s.Account).ARN}}, nil
		}
		check, err := s.entityCheck(c, tx, action, iam.KindUser, user)
		return []authz.Check{check}, err
	}
}

// userOrSelf is the name of the user that an operation is about, where absent
// means the caller, under the name that its unique id has now; "" is the root
// user.
func (s *Server) userOrSelf(c *call, tx kms.Tx, name *string) (string, error) {
	switch {
	case name != nil:
		return *name, nil
	case c.caller.IsRoot():
		return "", nil
	case c.caller.Type == iam.TypeUser:
		u, err := s.IAM.UserByID(c.ctx, tx, c.caller.ID)
		if err != nil {
			return "", err
		}
		return u.Name, nil
	}
	return "", &iam.Error{Code: iam.CodeValidation, Status: http.StatusBadRequest,
		Message: "Must specify userName when calling with non-User credentials"}
}

// onList resolves an operation on all entities below a path; kind is as in ARNs,
// such as "user" or "instance-profile".
func onList[I any](action, kind string, prefix func(*I) *string) resolver[I] {
	return func(s *Server, _ *call, _ kms.Tx, in *I) ([]authz.Check, error) {
		path := api.Value(prefix(in))
		if path == "" {
			path = "/"
		}
		return []authz.Check{{Action: action, Resource: s.IAM.ARN(kind, path, "")}}, nil
	}
}

// entityCheck asks for an action on a user, group or role, with its tags.
func (s *Server) entityCheck(c *call, tx kms.Tx, action, kind, name string) (authz.Check, error) {
	check := authz.Check{Action: action, Resource: s.IAM.ARN(kind, "/", name)}
	var err error
	switch kind {
	case iam.KindUser:
		var u *iam.User
		if u, err = s.IAM.User(c.ctx, tx, name); err == nil {
			check.Resource, check.Facts = u.ARN(), resourceTags(u.Tags)
		}
	case iam.KindGroup:
		var g *iam.Group
		if g, err = s.IAM.Group(c.ctx, tx, name); err == nil {
			check.Resource = g.ARN()
		}
	case iam.KindRole:
		var r *iam.Role
		if r, err = s.IAM.Role(c.ctx, tx, name); err == nil {
			check.Resource, check.Facts = r.ARN(), resourceTags(r.Tags)
		}
	}
	if err != nil && !isNoSuchEntity(err) {
		return authz.Check{}, err
	}
	return check, nil
}

// policyCheck asks for an action on a managed policy, with its tags.
func policyCheck(action, arn string, tags map[string]string) authz.Check {
	return authz.Check{Action: action, Resource: arn, Facts: resourceTags(tags)}
}

// with adds facts to a check.
func with(c authz.Check, facts ...authz.Fact) authz.Check {
	c.Facts = append(slices.Clone(c.Facts), facts...)
	return c
}

// resourceTags are the facts about the tags of a resource.
func resourceTags(tags map[string]string) []authz.Fact {
	facts := make([]authz.Fact, 0, 2*len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		facts = append(facts,
			authz.Fact{Key: "aws:ResourceTag/" + k, Values: []string{tags[k]}},
			authz.Fact{Key: "iam:ResourceTag/" + k, Values: []string{tags[k]}})
	}
	return facts
}

// requestTags are the facts about the tags that a request gives.
func requestTags(tags []iamapi.Tag) []authz.Fact {
	if len(tags) == 0 {
		return nil
	}
	var keys []string
	var facts []authz.Fact
	for _, t := range tags {
		keys = append(keys, api.Value(t.Key))
		facts = append(facts, authz.Fact{Key: "aws:RequestTag/" + api.Value(t.Key), Values: []string{api.Value(t.Value)}})
	}
	return append(facts, tagKeys(keys)...)
}

// tagKeys is the fact about the keys of tags that a request names.
func tagKeys(keys []string) []authz.Fact {
	if len(keys) == 0 {
		return nil
	}
	return []authz.Fact{{Key: "aws:TagKeys", Values: keys, List: true}}
}

// boundaryFact is the fact about a permissions boundary, none for "".
func boundaryFact(arn string) []authz.Fact {
	if arn == "" {
		return nil
	}
	return []authz.Fact{{Key: "iam:PermissionsBoundary", Values: []string{arn}}}
}

// policyFact is the fact about the managed policy that is attached or detached.
func policyFact(arn string) authz.Fact {
	return authz.Fact{Key: "iam:PolicyARN", Values: []string{arn}}
}

func isNoSuchEntity(err error) bool {
	var refusal *iam.Error
	return errors.As(err, &refusal) && refusal.Code == iam.CodeNoSuchEntity
}

// iamPage reads Marker and MaxItems.
func iamPage(marker *string, maxItems *int32) iam.Page {
	return iam.Page{Limit: int(api.Value(maxItems)), Marker: api.Value(marker)}
}

// more gives IsTruncated and Marker.
func more(next string) (truncated *bool, marker *string) {
	marker, truncated = nextPage(next)
	return truncated, marker
}
