package iam_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyd-hsm/keyd/iam"
)

// TestPages: whatever the size of pages, all of them together are the list, in
// order and without repetition.
func TestPages(t *testing.T) {
	f := start(t)
	var want []string
	f.do(func(tx iam.Tx) error {
		for i := range 57 {
			path := "/even/"
			if i%2 == 1 {
				path = "/odd/"
			}
			u, err := f.CreateUser(tx, iam.NewUser{Name: "User-" + number(i), Path: path})
			if err != nil {
				return err
			}
			want = append(want, u.Name)
		}
		return nil
	})
	slices.Sort(want)
	odd := slices.DeleteFunc(slices.Clone(want), func(n string) bool { return !strings.ContainsAny(n[len(n)-1:], "13579") })
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 70).Draw(t, "size")
		for prefix, want := range map[string][]string{"": want, "/odd": odd, "/none/": nil} {
			var got []string
			page := iam.Page{Limit: size}
			for {
				var users []*iam.User
				f.view(func(tx iam.Tx) (err error) {
					users, page.Marker, err = f.ListUsers(tx, prefix, page)
					return err
				})
				for _, u := range users {
					got = append(got, u.Name)
				}
				if len(users) > size || len(page.Marker) > 320 {
					t.Fatalf("%d users, marker of %d", len(users), len(page.Marker))
				}
				if page.Marker == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("pages of %d below %q: %v", size, prefix, got)
			}
		}
	})
}

// TestPageIsBounded: a page reads a bounded number of records, though nothing in
// them fits, and says that there is more.
func TestPageIsBounded(t *testing.T) {
	f := start(t)
	f.do(func(tx iam.Tx) error {
		for i := range 10_050 {
			if _, err := f.CreateUser(tx, iam.NewUser{Name: number(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	f.view(func(tx iam.Tx) error {
		users, next, err := f.ListUsers(tx, "/none/", iam.Page{})
		if err != nil || len(users) != 0 || next == "" {
			t.Errorf("%d users, marker %q, %v", len(users), next, err)
		}
		if _, next, err = f.ListUsers(tx, "/none/", iam.Page{Marker: next}); err != nil || next != "" {
			t.Errorf("marker %q, %v", next, err)
		}
		return nil
	})
}

func TestMarkers(t *testing.T) {
	f := start(t)
	f.user("a")
	f.user("b")
	var next string
	f.view(func(tx iam.Tx) (err error) {
		_, next, err = f.ListUsers(tx, "", iam.Page{Limit: 1})
		return err
	})
	for _, marker := range []string{"!", "AAAA", next + "%", strings.Repeat("A", 320)} {
		f.refused("ValidationError", "Invalid Marker.", func(tx iam.Tx) error {
			_, _, err := f.ListUsers(tx, "", iam.Page{Marker: marker})
			return err
		})
	}
	f.refused("ValidationError", "Invalid Marker.", func(tx iam.Tx) error {
		_, _, err := f.ListGroups(tx, "", iam.Page{Marker: next}) // of another list
		return err
	})
	f.do(func(tx iam.Tx) error { return f.DeleteUser(tx, "a") }) // which the marker stands for
	f.view(func(tx iam.Tx) error {
		users, _, err := f.ListUsers(tx, "", iam.Page{Marker: next})
		if err != nil || len(users) != 1 || users[0].Name != "b" {
			t.Errorf("%v %v", users, err)
		}
		return nil
	})
}

// TestLongMarkers: a marker has at most 320 characters, whatever it stands for.
func TestLongMarkers(t *testing.T) {
	tags := map[string]string{}
	for i := range 5 {
		tags[strings.Repeat("鍵", 127)+number(i)] = "x"
	}
	var got []string
	page := iam.Page{Limit: 2}
	for {
		some, next, err := iam.PageOfTags("arn", tags, page)
		if err != nil || len(next) > 320 {
			t.Fatal(err, len(next))
		}
		for _, tag := range some {
			got = append(got, tag.Key)
		}
		if page.Marker = next; next == "" {
			break
		}
	}
	if len(got) != 5 || !slices.IsSorted(got) {
		t.Errorf("%d tags", len(got))
	}
	if _, _, err := iam.PageOfTags("another", tags, iam.Page{Marker: "AAAA"}); err == nil {
		t.Error("marker of nothing taken")
	}
}
