<?php
// The images pool has sessions too, under the same cookie name and path: the case two pools must survive.
require __DIR__ . '/../index.php';
