package iam_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyd-hsm/keyd/iam"
)

const everything = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

func TestUserNames(t *testing.T) {
	f := start(t)
	bob := f.user("Bob")
	if bob.ARN() != "arn:aws:iam::111122223333:user/Bob" || !strings.HasPrefix(bob.ID, "AIDA") || len(bob.ID) != 21 {
		t.Errorf("%s %s", bob.ARN(), bob.ID)
	}
	f.refused("EntityAlreadyExists", "User with name bOB already exists.", func(tx iam.Tx) error {
		_, err := f.CreateUser(tx, iam.NewUser{Name: "bOB"})
		return err
	})
	if u, err := f.User(t.Context(), nil, "BOB"); err != nil || u.Name != "Bob" {
		t.Errorf("%v %v", u, err)
	}
	for _, name := range []string{"", "a/b", "a b", "é", strings.Repeat("x", 65)} {
		f.refused("ValidationError", "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
			func(tx iam.Tx) error {
				_, err := f.CreateUser(tx, iam.NewUser{Name: name})
				return err
			})
	}
	for _, path := range []string{"a", "/a", "a/", "/\x80/", "/" + strings.Repeat("x", 511) + "/"} {
		err := f.try(func(tx iam.Tx) error {
			_, err := f.CreateUser(tx, iam.NewUser{Name: "carol", Path: path})
			return err
		})
		if err == nil {
			t.Errorf("path %q taken", path)
		}
	}
}

func TestDeleteUserConflicts(t *testing.T) {
	f := start(t)
	f.user("bob")
	f.group("ops")
	c := f.key("bob")
	bob := iam.Holder{Kind: iam.KindUser, Name: "bob"}
	f.do(func(tx iam.Tx) error { return f.AddUser(tx, "ops", "bob") })
	f.do(func(tx iam.Tx) error { return f.PutInlinePolicy(tx, bob, "p", everything) })
	f.do(func(tx iam.Tx) error { return f.AttachPolicy(tx, bob, "arn:aws:iam::aws:policy/ReadOnlyAccess") })
	remove := func(tx iam.Tx) error { return f.DeleteUser(tx, "bob") }

	for _, step := range []struct {
		message string
		mend    func(iam.Tx) error
	}{
		{"must remove users from group first.", func(tx iam.Tx) error { return f.RemoveUser(tx, "ops", "bob") }},
		{"must delete access keys first.", func(tx iam.Tx) error { return f.DeleteAccessKey(tx, "bob", c.ID) }},
		{"must detach all policies first.", func(tx iam.Tx) error {
			return f.DetachPolicy(tx, bob, "arn:aws:iam::aws:policy/ReadOnlyAccess")
		}},
		{"must delete policies first.", func(tx iam.Tx) error { return f.DeleteInlinePolicy(tx, bob, "p") }},
	} {
		f.refused("DeleteConflict", "Cannot delete entity, "+step.message, remove)
		f.do(step.mend)
	}
	f.do(remove)
	f.refused("NoSuchEntity", "The user with name bob cannot be found.", remove)
}

// TestRename: all that belongs to a user comes along, at once and wholly, and the
// old name is free for somebody else who gets nothing of it.
func TestRename(t *testing.T) {
	f := start(t)
	old := f.user("bob", iam.Tag{Key: "dept", Value: "ops"})
	f.group("Ops")
	c := f.key("bob")
	f.do(func(tx iam.Tx) error {
		bob := iam.Holder{Kind: iam.KindUser, Name: "bob"}
		u, err := f.User(t.Context(), tx, "bob")
		return errors.Join(err,
			f.AddUser(tx, "ops", "bob"),
			f.PutInlinePolicy(tx, bob, "p", everything),
			f.AttachPolicy(tx, bob, "arn:aws:iam::aws:policy/ReadOnlyAccess"),
			f.SetUserBoundary(tx, u, "arn:aws:iam::aws:policy/PowerUserAccess"))
	})
	k, err := f.AccessKey(t.Context(), c.ID)
	f.must(err)
	if p, err := f.Owner(t.Context(), k); err != nil || p.ARN != old.ARN() {
		t.Fatalf("%+v %v", p, err)
	}

	f.do(func(tx iam.Tx) error { return f.UpdateUser(tx, "BOB", iam.Rename{Name: "Robert", Path: "/team/"}) })

	p, err := f.Owner(t.Context(), k)
	want := iam.Principal{
		Type: iam.TypeUser, Account: account, ARN: "arn:aws:iam::111122223333:user/team/Robert",
		ID: old.ID, Name: "Robert", Tags: map[string]string{"dept": "ops"},
	}
	if diff := cmp.Diff(want, p); err != nil || diff != "" {
		t.Errorf("owner of the access key: %v %s", err, diff)
	}
	f.view(func(tx iam.Tx) error {
		robert := iam.Holder{Kind: iam.KindUser, Name: "robert"}
		groups, _, err := f.GroupsOf(tx, "robert", iam.Page{})
		f.must(err)
		members, _, err := f.Members(tx, "ops", iam.Page{})
		f.must(err)
		keys, _, err := f.AccessKeys(tx, "robert", iam.Page{})
		f.must(err)
		inline, _, err := f.InlinePolicies(tx, robert, iam.Page{})
		f.must(err)
		attached, _, err := f.Attached(tx, robert, "", iam.Page{})
		f.must(err)
		if len(groups) != 1 || len(members) != 1 || members[0].Name != "Robert" || len(keys) != 1 || len(inline) != 1 || len(attached) != 1 {
			t.Errorf("left behind: %d %d %d %d %d", len(groups), len(members), len(keys), len(inline), len(attached))
		}
		return nil
	})

	other := f.user("bob")
	f.view(func(tx iam.Tx) error {
		keys, _, err := f.AccessKeys(tx, "bob", iam.Page{})
		groups, _, err2 := f.GroupsOf(tx, "bob", iam.Page{})
		if err != nil || err2 != nil || len(keys)+len(groups) != 0 || other.ID == old.ID {
			t.Errorf("the new bob has %d keys and %d groups of the old one", len(keys), len(groups))
		}
		return nil
	})
	f.refused("EntityAlreadyExists", "User with name BOB already exists.", func(tx iam.Tx) error {
		return f.UpdateUser(tx, "robert", iam.Rename{Name: "BOB"})
	})
	f.do(func(tx iam.Tx) error { return f.UpdateUser(tx, "robert", iam.Rename{Name: "ROBERT"}) })
	if u, err := f.User(t.Context(), nil, "robert"); err != nil || u.Name != "ROBERT" || u.Path != "/team/" {
		t.Errorf("%+v %v", u, err)
	}
}

func TestRenameGroup(t *testing.T) {
	f := start(t)
	g := f.group("ops")
	f.user("bob")
	ops := iam.Holder{Kind: iam.KindGroup, Name: "ops"}
	f.do(func(tx iam.Tx) error {
		return errors.Join(f.AddUser(tx, "ops", "bob"), f.PutInlinePolicy(tx, ops, "p", everything),
			f.AttachPolicy(tx, ops, "arn:aws:iam::aws:policy/ReadOnlyAccess"))
	})
	f.do(func(tx iam.Tx) error { return f.UpdateGroup(tx, "ops", iam.Rename{Name: "sre", Path: "/x/"}) })
	f.view(func(tx iam.Tx) error {
		groups, _, err := f.GroupsOf(tx, "bob", iam.Page{})
		if err != nil || len(groups) != 1 || groups[0].ARN() != "arn:aws:iam::111122223333:group/x/sre" || groups[0].ID != g.ID {
			t.Errorf("%v %v", groups, err)
		}
		return nil
	})
	remove := func(tx iam.Tx) error { return f.DeleteGroup(tx, "sre") }
	sre := iam.Holder{Kind: iam.KindGroup, Name: "sre"}
	f.refused("DeleteConflict", "Cannot delete entity, must remove users from group first.", remove)
	f.do(func(tx iam.Tx) error { return f.RemoveUser(tx, "sre", "bob") })
	f.refused("DeleteConflict", "Cannot delete entity, must detach all policies first.", remove)
	f.do(func(tx iam.Tx) error { return f.DetachPolicy(tx, sre, "arn:aws:iam::aws:policy/ReadOnlyAccess") })
	f.refused("DeleteConflict", "Cannot delete entity, must delete policies first.", remove)
	f.do(func(tx iam.Tx) error { return f.DeleteInlinePolicy(tx, sre, "p") })
	f.do(remove)
}

func TestMembership(t *testing.T) {
	f := start(t)
	f.user("bob")
	f.group("ops")
	add := func(group, user string) func(iam.Tx) error {
		return func(tx iam.Tx) error { return f.AddUser(tx, group, user) }
	}
	f.refused("NoSuchEntity", "The user with name eve cannot be found.", add("nobody", "eve"))
	f.refused("NoSuchEntity", "The group with name nobody cannot be found.", add("nobody", "bob"))
	f.do(add("OPS", "BOB"))
	f.do(add("ops", "bob"))
	f.view(func(tx iam.Tx) error {
		users, _, err := f.Members(tx, "ops", iam.Page{})
		if err != nil || len(users) != 1 {
			t.Errorf("%v %v", users, err)
		}
		return nil
	})
	for range 2 {
		f.do(func(tx iam.Tx) error { return f.RemoveUser(tx, "ops", "bob") })
	}
}
