// Echoes, with gorilla/websocket at either end, and compressed. It knows no takeover: it always answers and asks for
// messages that are compressed by themselves.
//
// usage: gorilla server
//        gorilla client ws://HOST:PORT/PATH
//
// A server prints `listening PORT`, and sends every message back until it is ended. A client sends ten messages of
// each size, text and binary, and expects each back before it sends the next; then it prints `echoed N` and closes.
package main

import (
	"bytes"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/gorilla/websocket"
)

func server() {
	upgrader := websocket.Upgrader{EnableCompression: true}
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for {
			kind, message, err := ws.ReadMessage()
			if err != nil {
				return
			}
			if err := ws.WriteMessage(kind, message); err != nil {
				return
			}
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	check(http.Serve(listener, nil))
}

func client(url string) {
	dialer := websocket.Dialer{EnableCompression: true}
	ws, _, err := dialer.Dial(url, nil)
	check(err)
	kinds := [2]int{websocket.TextMessage, websocket.BinaryMessage}
	count := 0
	for _, size := range sizes {
		for i := 0; i < 10; i++ {
			for at, message := range messages(size, i) {
				check(ws.WriteMessage(kinds[at], message))
				kind, got, err := ws.ReadMessage()
				check(err)
				if kind != kinds[at] || !bytes.Equal(got, message) {
					log.Fatalf("message %d is another", count)
				}
				count++
			}
		}
	}
	fmt.Println("echoed", count)
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	check(ws.WriteMessage(websocket.CloseMessage, bye))
	_, _, err = ws.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		log.Fatal(err)
	}
}

func main() {
	if os.Args[1] == "server" {
		server()
	} else {
		client(os.Args[2])
	}
}
