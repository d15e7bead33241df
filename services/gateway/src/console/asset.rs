//! Files that pages load: all of them are in the program.

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};

const FILES: [(&str, &str, &[u8]); 7] = [
    ("console.css", "text/css; charset=utf-8", include_bytes!("../../assets/console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/console.js")),
    ("verify.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/verify.js")),
    ("figures.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/figures.js")),
    // ECharts 6.1.0, Apache-2.0, as the project publishes it: the smallest build with bars and tooltips. Its licence goes with it.
    ("echarts.common.min.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/echarts.common.min.js")),
    ("echarts.LICENSE.txt", "text/plain; charset=utf-8", include_bytes!("../../assets/echarts.LICENSE.txt")),
    // htmx 4.0.1, Zero-Clause BSD, as the project publishes it, and a line feed at its end.
    ("htmx.min.js", "text/javascript; charset=utf-8", include_bytes!("../../assets/htmx.min.js")),
];

/// A file.
pub(super) async fn show(Path(name): Path<String>) -> Response {
    let Some((_, content_type, bytes)) = FILES.iter().find(|(known, ..)| *known == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    ([(header::CONTENT_TYPE, *content_type), (header::CACHE_CONTROL, "no-cache")], *bytes).into_response()
}
