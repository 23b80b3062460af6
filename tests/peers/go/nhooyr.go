// Echoes, with nhooyr.io/websocket (now coder/websocket) at either end, and compressed.
//
// usage: nhooyr server [--takeover]
//        nhooyr client [--takeover] ws://HOST:PORT/PATH
//
// A server prints `listening PORT`, and sends every message back until it is ended. A client sends ten messages of
// each size, text and binary, and expects each back before it sends the next; then it prints `echoed N` and closes.
// With --takeover messages may refer to those before.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"nhooyr.io/websocket"
)

const limit = 4 << 20

func server(mode websocket.CompressionMode) {
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode})
		if err != nil {
			return
		}
		ws.SetReadLimit(limit)
		for {
			kind, message, err := ws.Read(context.Background())
			if err != nil {
				return
			}
			if err := ws.Write(context.Background(), kind, message); err != nil {
				return
			}
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	check(http.Serve(listener, nil))
}

func client(mode websocket.CompressionMode, url string) {
	ws, _, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{CompressionMode: mode})
	check(err)
	ws.SetReadLimit(limit)
	kinds := [2]websocket.MessageType{websocket.MessageText, websocket.MessageBinary}
	count := 0
	for _, size := range sizes {
		for i := 0; i < 10; i++ {
			for at, message := range messages(size, i) {
				check(ws.Write(context.Background(), kinds[at], message))
				kind, got, err := ws.Read(context.Background())
				check(err)
				if kind != kinds[at] || !bytes.Equal(got, message) {
					log.Fatalf("message %d is another", count)
				}
				count++
			}
		}
	}
	fmt.Println("echoed", count)
	check(ws.Close(websocket.StatusNormalClosure, ""))
}

func main() {
	role, rest := os.Args[1], os.Args[2:]
	mode := websocket.CompressionNoContextTakeover
	if len(rest) > 0 && rest[0] == "--takeover" {
		mode, rest = websocket.CompressionContextTakeover, rest[1:]
	}
	if role == "server" {
		server(mode)
	} else {
		client(mode, rest[0])
	}
}
