//! One connection as the faults of the network have it: open, frozen, or cut.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::StreamExt as _;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};
use tokio_stream::wrappers::WatchStream;
use tonic::transport::server::Connected;

/// The state of all connections of one node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wire {
    pub(crate) frozen: bool,
    /// Every segment is acknowledged when it comes. Without it the kernel waits up to 40 ms, and so does a client that holds
    /// back small segments (Nagle's algorithm), as `eventstore` does.
    pub(crate) acknowledges_at_once: bool,
    /// New connections are closed at once.
    pub(crate) dead: bool,
    /// Connections with a lower number are cut.
    pub(crate) cut_below: u64,
    /// The number of the next connection.
    pub(crate) next: u64,
}

/// Accepts connections until nobody wants them any more.
pub(crate) async fn accept(
    listener: TcpListener,
    wire: watch::Sender<Wire>,
    tls: Option<Arc<ServerConfig>>,
    accepted: mpsc::Sender<io::Result<Connection>>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let stream = tokio::select! {
            stream = listener.accept() => stream,
            () = accepted.closed() => return,
        };
        // A client that is gone before it is accepted is not our fault.
        let Ok((stream, _)) = stream else { continue };
        if wire.borrow().dead || stream.set_nodelay(true).is_err() {
            continue;
        }
        let mut number = 0;
        wire.send_modify(|wire| {
            number = wire.next;
            wire.next += 1;
        });
        let link = Link { stream, changes: WatchStream::new(wire.subscribe()), wire: *wire.borrow(), number };
        let accepted = accepted.clone();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let connection = match acceptor {
                None => Connection::Plain(link),
                Some(acceptor) => match acceptor.accept(link).await {
                    Ok(stream) => Connection::Tls(Box::new(stream)),
                    // A failed handshake is the client's to report.
                    Err(_) => return,
                },
            };
            // Nobody serves any more.
            accepted.send(Ok(connection)).await.ok();
        });
    }
}

/// A TCP connection under the faults of its node.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    changes: WatchStream<Wire>,
    wire: Wire,
    number: u64,
}

impl Link {
    /// Whether bytes may pass; asks to be woken when that changes.
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Poll::Ready(change) = self.changes.poll_next_unpin(context) {
            match change {
                Some(wire) => self.wire = wire,
                None => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
        }
        if self.number < self.wire.cut_below {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.wire.frozen { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_open(context))?;
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.wire.acknowledges_at_once {
            // The kernel forgets it after some segments, so it is asked anew each time. Not every one knows how.
            rustix::net::sockopt::set_tcp_quickack(&self.stream, true).ok();
        }
        read
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_open(context))?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A connection that is ready for HTTP/2.
#[derive(Debug)]
pub(crate) enum Connection {
    Plain(Link),
    Tls(Box<TlsStream<Link>>),
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(link) => Pin::new(link).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(link) => Pin::new(link).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(link) => Pin::new(link).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(link) => Pin::new(link).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
