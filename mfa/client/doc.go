// Package client lets a program ask keyd whether a person is there, over the MFA
// socket of this machine.
//
// Most callers need two calls: [Client.Ask] puts the question, and [Client.Wait]
// waits until somebody has answered it. A yes is an outcome whose State is
// [protocol.Verified]; everything else, an error too, is a no.
//
// Programs that bring answers call [Client.Pending] for the questions that wait,
// show one to the person, and give [Client.Answer] the code, or the signature of
// a security key over [protocol.Challenge.Message].
//
// What keyd refuses is a [*protocol.Error], to be found by [errors.As]; all other
// errors say that keyd could not be asked. The configuration of keyd says which
// local users may call what, and about whom. A Client is safe for concurrent use,
// keeps no connection open and starts nothing that outlives a call.
package client
