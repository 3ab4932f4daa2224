package iam_test

import (
	"fmt"
	"testing"

	"github.com/keyd-hsm/keyd/iam"
)

// crowd makes so many users, each with a membership, and the access key of one.
func crowd(b *testing.B, users int) (*fixture, iam.AccessKey) {
	f := start(b)
	f.group("all")
	for at := 0; at < users; at += 1000 {
		f.do(func(tx iam.Tx) error {
			for i := range min(1000, users-at) {
				name := "user-" + number(at+i)
				if _, err := f.CreateUser(tx, iam.NewUser{Name: name}); err != nil {
					return err
				}
				if err := f.AddUser(tx, "all", name); err != nil {
					return err
				}
			}
			return nil
		})
	}
	c := f.key("user-0")
	k, err := f.AccessKey(b.Context(), c.ID)
	f.must(err)
	return f, k
}

// BenchmarkUsers: what a request asks for, and what a page costs, does not grow
// with the number of users.
func BenchmarkUsers(b *testing.B) {
	for _, users := range []int{10, 100_000} {
		f, k := crowd(b, users)
		b.Run(fmt.Sprintf("%d/owner", users), func(b *testing.B) {
			for b.Loop() {
				if _, err := f.Owner(b.Context(), k); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d/cold", users), func(b *testing.B) {
			i := 0
			for b.Loop() {
				if _, err := f.User(b.Context(), nil, "user-"+number(i%users)); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
		b.Run(fmt.Sprintf("%d/page", users), func(b *testing.B) {
			for b.Loop() {
				f.view(func(tx iam.Tx) error {
					_, _, err := f.ListUsers(tx, "", iam.Page{Limit: 10})
					return err
				})
			}
		})
		b.Run(fmt.Sprintf("%d/rename", users), func(b *testing.B) {
			i := 0
			for b.Loop() {
				from, to := "user-1", "other-1"
				if i%2 == 1 {
					from, to = to, from
				}
				f.do(func(tx iam.Tx) error { return f.UpdateUser(tx, from, iam.Rename{Name: to}) })
				i++
			}
			if i%2 == 1 {
				f.do(func(tx iam.Tx) error { return f.UpdateUser(tx, "other-1", iam.Rename{Name: "user-1"}) })
			}
		})
	}
}
