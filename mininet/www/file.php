<?php
// One of the files under /img/, by name, from this pool's servers.
$path = __DIR__ . '/img/' . basename($_GET['name'] ?? '');
if (!is_file($path) || substr($path, -4) === '.php') {
    http_response_code(404);
    exit;
}
header('Content-Type: application/octet-stream');
header('Content-Length: ' . filesize($path));
readfile($path);
